#ifndef CORKSCREW_FILTER_H_
#define CORKSCREW_FILTER_H_

// Conditions on metadata, as a typed tree. There is no string language here;
// the command line parses one into this tree.

#include <string>
#include <utility>
#include <vector>

#include "corkscrew/metadata.h"

namespace corkscrew {

// A condition on the metadata of a record. The default filter matches every
// record. Copyable value.
//
// Semantics (the same in every index and in the wire form):
//  - A record without `key` makes every comparison false, kNe included. Only
//    kExists and kNot see a missing key.
//  - bool, string and list compare with their own type only. int64 and double
//    compare with each other exactly, without rounding. Any other mix of types
//    is false for every comparison, kNe included.
//  - Order: false < true; numbers by value; strings by bytes. Lists have
//    equality only: kLt, kLe, kGt, kGe on a list are false.
//  - kIn: the value equals one of `values` (as kEq).
//  - kContains: the value is a list and one of its strings equals values[0],
//    or the value is a string and contains values[0] as a substring.
struct Filter {
  enum class Op {
    kAll,  // Matches every record. No key, values or children.
    kAnd,  // Every child matches; true without children.
    kOr,   // A child matches; false without children.
    kNot,  // The one child does not match.
    kEq,   // value == values[0]; kEq..kGe and kContains have one value.
    kNe,   // value != values[0], both present and comparable.
    kLt,
    kLe,
    kGt,
    kGe,
    kIn,      // Any number of values.
    kExists,  // The key is present. No values.
    kContains,
  };

  Op op = Op::kAll;
  std::string key = {};
  std::vector<Value> values = {};
  std::vector<Filter> children = {};

  static Filter All() { return {}; }
  static Filter And(std::vector<Filter> children) {
    return {Op::kAnd, {}, {}, std::move(children)};
  }
  static Filter Or(std::vector<Filter> children) {
    return {Op::kOr, {}, {}, std::move(children)};
  }
  static Filter Not(Filter child) {
    Filter filter{Op::kNot, {}, {}, {}};
    filter.children.push_back(std::move(child));
    return filter;
  }
  // `op` is one of kEq, kNe, kLt, kLe, kGt, kGe, kContains.
  static Filter Compare(Op op, std::string key, Value value) {
    Filter filter{op, std::move(key), {}, {}};
    filter.values.push_back(std::move(value));
    return filter;
  }
  static Filter Eq(std::string key, Value value) {
    return Compare(Op::kEq, std::move(key), std::move(value));
  }
  static Filter In(std::string key, std::vector<Value> values) {
    return {Op::kIn, std::move(key), std::move(values), {}};
  }
  static Filter Exists(std::string key) {
    return {Op::kExists, std::move(key), {}, {}};
  }

  friend bool operator==(const Filter&, const Filter&) = default;
};

}  // namespace corkscrew

#endif  // CORKSCREW_FILTER_H_
