#include "server/table.h"

#include <sstream>

#include "gtest/gtest.h"

namespace corkscrew {
namespace {

TEST(TableTest, ColumnsAreAlignedAndTheLastOneIsCut) {
  Table table({{"N", Table::Align::kRight}, {"NAME"}, {"TEXT"}});
  table.Add({"1", "caf\xC3\xA9", "short"});
  table.Add({"1,000", "x", "a text that is far too long for the width given"});
  std::ostringstream out;
  table.Print(out, 40);
  EXPECT_EQ(out.str(),
            "    N  NAME  TEXT\n"
            "    1  caf\xC3\xA9  short\n"
            "1,000  x     a text that is far too l...\n");
}

TEST(TableTest, ControlCharactersDoNotReachTheTerminal) {
  Table table({{"A"}, {"B"}});
  table.Add({"\x1b[2J", "\x1b]0;x\x07"});
  std::ostringstream out;
  table.Print(out, 80);
  EXPECT_EQ(out.str().find('\x1b'), std::string::npos);
}

TEST(HumanTest, NumbersAreReadable) {
  EXPECT_EQ(HumanCount(0), "0");
  EXPECT_EQ(HumanCount(999), "999");
  EXPECT_EQ(HumanCount(1000), "1,000");
  EXPECT_EQ(HumanCount(1234567), "1,234,567");
  EXPECT_EQ(HumanBytes(0), "0 B");
  EXPECT_EQ(HumanBytes(1536), "1.5 KiB");
  EXPECT_EQ(HumanBytes(3.0 * (1 << 30)), "3.0 GiB");
}

}  // namespace
}  // namespace corkscrew
