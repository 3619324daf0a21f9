// The form of sealed log segments: what is written is read, and nothing else.

#include "db/log_segment.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/testing.h"
#include "db/encode.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace corkscrew {
namespace {

using ::testing::_;
using ::testing::AnyOf;
using ::testing::HasSubstr;
using testing::IsOk;
using testing::StatusIs;

constexpr auto kDataLoss = absl::StatusCode::kDataLoss;

LogSegmentHead Head() {
  LogSegmentHead head;
  head.database.bytes.fill(1);
  head.life.replica.bytes.fill(2);
  head.life.incarnation = 3;
  head.generation = 4;
  head.name = "notes";
  head.descriptor.quantizer = {.dim = 4, .bits = 4, .codebook = 1, .seed = 5};
  head.collection =
      CollectionUuid(head.name, DescriptorHash(head.descriptor), 4);
  head.lineage = 6;
  head.first = 11;
  head.before.fill(7);
  return head;
}

// A put, a delete, a put whose body is gone and a purge, at 11, 12, 14 and 15.
struct Example {
  std::vector<LoggedOp> ops;
  std::string vector = std::string(16, 'v');
  std::string text = "a text";
  std::string metadata = std::string(1, '\0');

  explicit Example(size_t text_bytes = 6) {
    text = std::string(text_bytes, 't');
    for (uint64_t i = 0; i < 4; ++i) {
      LoggedOp& op = ops.emplace_back();
      op.position = 11 + i + (i >= 2);
      op.origin = {Head().life.replica, 9};
      op.seq = 100 + i;
      op.op.id = absl::StrCat("id", i);
      op.op.lamport = 20 + i;
      op.op.wall_ms = 1'700'000'000'000;
    }
    ops[0].form = VectorForm::kFloat32;
    ops[0].vector = vector;
    ops[0].metadata = metadata;
    ops[0].text = text;
    ops[1].op.kind = OpKind::kDelete;
    ops[3].op.kind = OpKind::kPurge;
    for (LoggedOp& op : ops) op.op.content_hash = HashOf(Head().collection, op);
    ops[2].op.body_dropped = true;
    ops[2].op.content_hash.fill(8);  // Of what is gone.
  }
  Example(const Example&) = delete;
  Example& operator=(const Example&) = delete;
};

std::string Write(const Example& example, LogSegmentHead* head) {
  LogSegmentBuilder builder;
  for (const LoggedOp& op : example.ops) builder.Add(op);
  return builder.Finish(head);
}

absl::StatusOr<LogSegmentHead> Decode(absl::string_view bytes,
                                      size_t* ops = nullptr) {
  return DecodeLogSegment(bytes, [&](const LoggedOp&) {
    if (ops != nullptr) ++*ops;
    return absl::OkStatus();
  });
}

TEST(LogSegment, WhatIsWrittenIsRead) {
  for (const size_t text_bytes : {0, 6, 70'000}) {
    const Example example(text_bytes);
    LogSegmentHead head = Head();
    const std::string bytes = Write(example, &head);
    EXPECT_EQ(head.ops, 4u);
    EXPECT_EQ(head.last, 15u);
    EXPECT_EQ(head.last_hash, example.ops[3].op.content_hash);
    const auto read_head = DecodeLogSegmentHead(bytes);
    ASSERT_THAT(read_head, IsOk());
    EXPECT_EQ(*read_head, head);
    size_t next = 0;
    const auto read =
        DecodeLogSegment(bytes, [&](const LoggedOp& op) -> absl::Status {
          const LoggedOp& want = example.ops.at(next++);
          EXPECT_EQ(op.position, want.position);
          EXPECT_EQ(op.shard, want.shard);
          EXPECT_EQ(op.origin, want.origin);
          EXPECT_EQ(op.seq, want.seq);
          EXPECT_EQ(op.op, want.op);
          EXPECT_EQ(op.form, want.form);
          EXPECT_EQ(op.vector, want.vector);
          EXPECT_EQ(op.metadata, want.metadata);
          EXPECT_EQ(op.text, want.text);
          return absl::OkStatus();
        });
    ASSERT_THAT(read, IsOk());
    EXPECT_EQ(*read, head);
    EXPECT_EQ(next, 4u);
  }
}

TEST(LogSegment, EveryFlippedBitIsRefused) {
  const Example example;
  LogSegmentHead head = Head();
  const std::string good = Write(example, &head);
  for (size_t i = 0; i < good.size(); ++i) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string bad = good;
      bad[i] = static_cast<char>(bad[i] ^ (1 << bit));
      size_t ops = 0;
      EXPECT_THAT(Decode(bad, &ops).status().code(),
                  AnyOf(kDataLoss, absl::StatusCode::kFailedPrecondition))
          << "byte " << i << " bit " << bit;
      EXPECT_EQ(ops, 0u) << "byte " << i << " bit " << bit;
    }
  }
}

TEST(LogSegment, EveryCutAndEveryAppendedByteIsRefused) {
  const Example example;
  LogSegmentHead head = Head();
  const std::string good = Write(example, &head);
  for (size_t size = 0; size < good.size(); ++size) {
    EXPECT_THAT(Decode(good.substr(0, size)), StatusIs(kDataLoss, _)) << size;
  }
  EXPECT_THAT(Decode(good + '\0'), StatusIs(kDataLoss, _));
  EXPECT_THAT(Decode(good + good), StatusIs(kDataLoss, _));
}

TEST(LogSegment, DamageIsNamedByItsBlock) {
  const Example example(70'000);
  LogSegmentHead head = Head();
  std::string bad = Write(example, &head);
  const size_t second = bad.rfind("id1");
  bad[second] = 'x';
  EXPECT_THAT(Decode(bad),
              StatusIs(kDataLoss, HasSubstr("has a wrong checksum")));
}

// Bytes whose checksums are right and that say something impossible.
TEST(LogSegment, WhatAWriterCanNotHaveWrittenIsRefused) {
  const auto with = [](auto change) {
    Example example;
    LogSegmentHead head = Head();
    change(example, head);
    return Decode(Write(example, &head));
  };
  EXPECT_THAT(with([](Example&, LogSegmentHead&) {}), IsOk());
  EXPECT_THAT(with([](Example& e, LogSegmentHead&) { e.ops[0].position = 10; }),
              StatusIs(kDataLoss, HasSubstr("not in order")));
  EXPECT_THAT(with([](Example& e, LogSegmentHead&) { e.ops[1].position = 11; }),
              StatusIs(kDataLoss, HasSubstr("not in order")));
  EXPECT_THAT(
      with([](Example& e, LogSegmentHead&) { e.ops[0].text = "other"; }),
      StatusIs(kDataLoss, HasSubstr("content hash of op 11")));
  EXPECT_THAT(with([](Example& e, LogSegmentHead&) { e.ops[1].seq = 1; }),
              StatusIs(kDataLoss, HasSubstr("content hash of op 12")));
  EXPECT_THAT(with([](Example&, LogSegmentHead& head) { head.name = "words"; }),
              StatusIs(kDataLoss, HasSubstr("collection")));
  EXPECT_THAT(with([](Example&, LogSegmentHead& head) { head.first = 0; }),
              StatusIs(kDataLoss, HasSubstr("range")));
  EXPECT_THAT(with([](Example&, LogSegmentHead& head) { head.first = 1; }),
              StatusIs(kDataLoss, HasSubstr("range")));
  EXPECT_THAT(with([](Example&, LogSegmentHead& head) { head.lineage = 0; }),
              StatusIs(kDataLoss, HasSubstr("range")));
}

TEST(LogSegment, ANewerFormIsNotTakenForDamage) {
  const Example example;
  LogSegmentHead head = Head();
  std::string bytes = Write(example, &head);
  bytes[8] = 2;
  EXPECT_THAT(Decode(bytes), StatusIs(absl::StatusCode::kFailedPrecondition,
                                      HasSubstr("has form 2")));
}

TEST(LogSegment, AFailingVisitorEndsTheReading) {
  const Example example;
  LogSegmentHead head = Head();
  size_t seen = 0;
  EXPECT_THAT(DecodeLogSegment(Write(example, &head),
                               [&](const LoggedOp&) {
                                 ++seen;
                                 return absl::CancelledError("enough");
                               }),
              StatusIs(absl::StatusCode::kCancelled, "enough"));
  EXPECT_EQ(seen, 1u);
}

}  // namespace
}  // namespace corkscrew
