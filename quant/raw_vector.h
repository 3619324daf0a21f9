#ifndef CORKSCREW_QUANT_RAW_VECTOR_H_
#define CORKSCREW_QUANT_RAW_VECTOR_H_

#include <memory>
#include <new>
#include <type_traits>
#include <utility>
#include <vector>

namespace corkscrew {

// Leaves new elements without a value where std::allocator sets them to 0.
template <typename T>
class RawAllocator : public std::allocator<T> {
 public:
  static_assert(std::is_trivially_destructible_v<T>);

  template <typename U>
  void construct(U* /*place*/) noexcept {}
  template <typename U, typename... Args>
  void construct(U* place, Args&&... args) {
    ::new (static_cast<void*>(place)) U(std::forward<Args>(args)...);
  }
};

// An array whose resize() costs nothing while it has the capacity: what it adds
// is to be written before it is read.
template <typename T>
using RawVector = std::vector<T, RawAllocator<T>>;

}  // namespace corkscrew

#endif  // CORKSCREW_QUANT_RAW_VECTOR_H_
