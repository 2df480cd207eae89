// Units, tables, suggestions, the progress bar: text that the command line reads and writes.
#include <gtest/gtest.h>

#include <limits>

#include "client/cli/jpeg.h"
#include "client/cli/suggest.h"
#include "client/cli/table.h"
#include "client/cli/terminal.h"
#include "client/cli/units.h"

namespace gild::cli {
namespace {

TEST(UnitsTest, DurationsNeedAUnit) {
  EXPECT_EQ(ParseDuration("500ms"), absl::Milliseconds(500));
  EXPECT_EQ(ParseDuration("1.5s"), absl::Milliseconds(1500));
  EXPECT_EQ(ParseDuration("2m"), absl::Minutes(2));
  EXPECT_EQ(ParseDuration("1h"), absl::Hours(1));
  EXPECT_EQ(ParseDuration("250us"), absl::Microseconds(250));
  EXPECT_EQ(ParseDuration("1h30m"), absl::Minutes(90));
  for (const char* bad : {"", "5", "s", "-5s", "+5s", "5 seconds", "1e3s", "0s", "5sx", "..s", "9999999h", "nan s"}) {
    EXPECT_EQ(ParseDuration(bad), std::nullopt) << bad;
  }
}

TEST(UnitsTest, SizesAreBytesUnlessTheySayMore) {
  EXPECT_EQ(ParseSize("256MiB"), uint64_t{256} << 20);
  EXPECT_EQ(ParseSize("1.5GiB"), uint64_t{3} << 29);
  EXPECT_EQ(ParseSize("10MB"), 10000000u);
  EXPECT_EQ(ParseSize("4096"), 4096u);
  for (const char* bad : {"", "MiB", "-1", "0", "1.5", "5MBps", "1e6", "99999999999GiB"}) {
    EXPECT_EQ(ParseSize(bad), std::nullopt) << bad;
  }
}

TEST(UnitsTest, ThreeFiguresForPeople) {
  EXPECT_EQ(TimeText(absl::Microseconds(40)), "0.04ms");
  EXPECT_EQ(TimeText(absl::Microseconds(62100)), "62.1ms");
  EXPECT_EQ(TimeText(absl::Milliseconds(999)), "999ms");
  EXPECT_EQ(TimeText(absl::Milliseconds(1240)), "1.24s");
  EXPECT_EQ(TimeText(absl::Seconds(38)), "38.0s");
  EXPECT_EQ(TimeText(absl::Seconds(133)), "2m13s");
  EXPECT_EQ(TimeText(absl::Minutes(133)), "2h13m");
  EXPECT_EQ(SizeText(512), "512 B");
  EXPECT_EQ(SizeText(1536), "1.5 KiB");
  EXPECT_EQ(SizeText(uint64_t{256} << 20), "256 MiB");
}

TEST(UnitsTest, ExactWhereMachinesRead) {
  EXPECT_EQ(ExactSeconds(absl::Milliseconds(1500)), "1.5s");
  EXPECT_EQ(ExactSeconds(absl::ZeroDuration()), "0s");
  EXPECT_EQ(ExactSeconds(absl::Nanoseconds(12000)), "0.000012s");
  EXPECT_EQ(ExactSeconds(absl::Nanoseconds(-1500000000)), "-1.5s");
  EXPECT_EQ(OptionSize(uint64_t{512} << 20), "512MiB");
  EXPECT_EQ(OptionSize(1000), "1000");
}

TEST(TableTest, ColumnsLineUpByCharactersNotBytes) {
  Table table({{"NAME"}, {"N", Align::kRight}, {"BARS"}});
  table.Row({"a", "1", "▇ ▁"});
  table.Row({"é…long", "1000", "x"});
  EXPECT_EQ(table.Text(),
            "NAME       N  BARS\n"
            "a          1  ▇ ▁\n"
            "é…long  1000  x\n");
}

TEST(TableTest, WrapNeverPassesTheMargin) {
  EXPECT_EQ(Wrap("one two three", 7), "one two\nthree");
  EXPECT_EQ(Wrap("incompressible is", 5), "incompressible\nis");
  EXPECT_EQ(Wrap("", 5), "");
}

TEST(SuggestTest, NearWordsAndOnlyThose) {
  const std::vector<std::string> options = {"--timeout", "--tag", "--queue-timeout", "--json", "-c"};
  EXPECT_EQ(Suggest("--timout", options), "--timeout");
  EXPECT_EQ(Suggest("--jsno", options), "--json");
  EXPECT_EQ(Suggest("--queue", options), "--queue-timeout");
  EXPECT_EQ(Suggest("--banana", options), "");
  EXPECT_EQ(Suggest("-x", options), "");
  EXPECT_EQ(Suggest("rnu", {"run", "info"}), "run");
}

TEST(ProgressBarTest, FitsAnyWidth) {
  for (const int columns : {0, 1, 5, 20, 40, 80, 200}) {
    const std::string line = ProgressBar::Line("resize 1000 images, CPU lane", 500, 1000, columns, false);
    EXPECT_LE(static_cast<int>(line.size()), std::max(columns - 1, 0));
  }
  EXPECT_EQ(ProgressBar::Line("x", 5, 10, 20, false), "x [#####.....] 5/10");
  EXPECT_EQ(ProgressBar::Line("x", 12, 10, 20, false), "x [#########] 10/10");
  EXPECT_EQ(ProgressBar::Line("x", 12, 0, 20, false), "x 12");
  const size_t most = std::numeric_limits<size_t>::max();
  EXPECT_EQ(ProgressBar::Line("x", most, most, 80, false).substr(0, 12), "x [#########");
}

TEST(JpegTest, TheFrameTellsTheSize) {
  const std::string start("\xFF\xD8", 2);
  const std::string app("\xFF\xE0\x00\x04\x41\x42", 6);
  const std::string frame("\xFF\xC0\x00\x11\x08\x01\xE0\x02\x80\x03", 10);
  EXPECT_EQ(ReadJpegSize(start + app + frame), (JpegSize{640, 480}));
  EXPECT_EQ(ReadJpegSize(start + std::string("\xFF\xFF", 2) + frame.substr(1)), (JpegSize{640, 480}));
}

TEST(JpegTest, AnythingElseHasNone) {
  const std::string whole("\xFF\xD8\xFF\xE0\x00\x04\x41\x42\xFF\xC0\x00\x11\x08\x01\xE0\x02\x80\x03", 18);
  for (size_t length = 0; length + 1 < whole.size(); ++length) {
    EXPECT_EQ(ReadJpegSize(whole.substr(0, length)), std::nullopt) << length;
  }
  EXPECT_EQ(ReadJpegSize("GIF89a"), std::nullopt);
  EXPECT_EQ(ReadJpegSize(std::string("\xFF\xD8\xFF\xDA\x00\x04\x41\x42\xFF\xC0", 10)), std::nullopt);
}

}  // namespace
}  // namespace gild::cli
