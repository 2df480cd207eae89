#include "server/base/cores.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "server/base/clock.h"

namespace gild {
namespace {

// user nice system idle iowait irq softirq steal guest guest_nice
constexpr char kProcStat[] =
    "cpu  100 0 0 0 0 0 0 0 0 0\n"
    "cpu0 10 20 30 40 50 60 70 80 0 0\n"
    "cpu1 1 2 3 4 5 6 7 8 0 0\n"
    "cpu11 7 0 0 0 0 0 0 0 0 0\n"
    "intr 12345\n"
    "ctxt 1\n";

TEST(ParseCoreTimesTest, TheFieldsAreSummedAsDocumented) {
  const auto times = ParseCoreTimes(kProcStat, {0}, 100);
  ASSERT_EQ(times.size(), 1);
  EXPECT_EQ(times[0].core, 0);
  EXPECT_EQ(times[0].user_ns, 300 * kNsPerMs);     // user + nice
  EXPECT_EQ(times[0].system_ns, 1600 * kNsPerMs);  // system + irq + softirq
  EXPECT_EQ(times[0].idle_ns, 900 * kNsPerMs);     // idle + iowait
  EXPECT_EQ(times[0].steal_ns, 800 * kNsPerMs);
}

TEST(ParseCoreTimesTest, CoresComeInTheOrderAskedForAndUnknownOnesAreLeftOut) {
  const auto times = ParseCoreTimes(kProcStat, {11, 5, 1}, 100);
  ASSERT_EQ(times.size(), 2);
  EXPECT_EQ(times[0].core, 11);
  EXPECT_EQ(times[0].user_ns, 70 * kNsPerMs);
  EXPECT_EQ(times[1].core, 1);
}

TEST(ParseCoreTimesTest, ShortOrForeignLinesAreSkipped) {
  EXPECT_TRUE(ParseCoreTimes("", {0}, 100).empty());
  EXPECT_TRUE(ParseCoreTimes("cpu0 1 2 3\ncpufreq 1 2 3 4 5 6 7 8\n", {0}, 100).empty());
}

TEST(ReadCoreTimesTest, AFileThatIsNotThereIsAnErrorThatNamesIt) {
  const auto times = ReadCoreTimes({0}, "/nonexistent/stat");
  ASSERT_FALSE(times.ok());
  EXPECT_EQ(times.status().message(), "cannot read /nonexistent/stat");
}

TEST(CoresTest, TheseCoresAreAllowedAndListed) {
  const std::vector<int> cores = AllowedCores();
  ASSERT_FALSE(cores.empty());
  EXPECT_TRUE(std::is_sorted(cores.begin(), cores.end()));
  const auto times = ReadCoreTimes(cores);
  ASSERT_TRUE(times.ok()) << times.status();
  EXPECT_EQ(times->size(), cores.size());
}

}  // namespace
}  // namespace gild
