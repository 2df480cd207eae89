#include "server/main/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>

#include "server/base/cores.h"

namespace gild {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

std::variant<Options, Exit> Parse(std::vector<const char*> flags) {
  flags.insert(flags.begin(), "gild-server");
  return ParseOptions(static_cast<int>(flags.size()), flags.data(), "1.2.3");
}

Options Good(const std::vector<const char*>& flags) {
  auto parsed = Parse(flags);
  if (const Exit* exit = std::get_if<Exit>(&parsed)) {
    ADD_FAILURE() << exit->err;
    return Options();
  }
  return std::get<Options>(parsed);
}

// The one line on stderr.
std::string Bad(const std::vector<const char*>& flags) {
  auto parsed = Parse(flags);
  const Exit* const exit = std::get_if<Exit>(&parsed);
  if (exit == nullptr) return "it was good";
  EXPECT_EQ(exit->code, 2);
  EXPECT_EQ(exit->out, "");
  EXPECT_THAT(exit->err, StartsWith("gild-server: "));
  EXPECT_EQ(std::count(exit->err.begin(), exit->err.end(), '\n'), 0) << exit->err;
  return exit->err;
}

TEST(OptionsTest, DefaultsAreLoopbackAndOneInterpreterACore) {
  const Options options = Good({});
  EXPECT_EQ(options.listen, "127.0.0.1:50051");
  EXPECT_EQ(options.http_listen, "127.0.0.1:9464");
  EXPECT_EQ(options.io_interpreters, 1);
  EXPECT_EQ(options.io_threads, 128);
  EXPECT_EQ(options.cpu_interpreters, static_cast<int>(AllowedCores().size()));
  EXPECT_EQ(options.grace_ns, kGraceNsDefault);
  EXPECT_EQ(options.queue_tasks, kQueuedTasksMax);
  EXPECT_EQ(options.queue_bytes, kQueuedBytesMax);
  EXPECT_EQ(options.session_idle_ns, kSessionIdleNsDefault);
  EXPECT_FALSE(options.insecure);
}

TEST(OptionsTest, IsolationIsRequiredByItsLevelAndSwitchedOffByTheLayer) {
  EXPECT_EQ(Good({}).require_isolation, IsolationLevel::kNone);
  EXPECT_THAT(Good({}).without_layers, ::testing::IsEmpty());
  EXPECT_EQ(Good({"--require-isolation", "full"}).require_isolation, IsolationLevel::kFull);
  EXPECT_THAT(Good({"--without-layers", "seccomp,own-uid"}).without_layers, ElementsAre("seccomp", "own-uid"));
  EXPECT_THAT(Bad({"--require-isolation", "much"}), HasSubstr("--require-isolation"));
  EXPECT_THAT(Bad({"--without-layers", "seccomp,selinux"}), HasSubstr("there is no layer 'selinux'"));
  EXPECT_THAT(Bad({"--without-layers", "no-new-privs"}), HasSubstr("cannot be left out"));
}

TEST(OptionsTest, InterpretersHaveABoundOnMemory) {
  EXPECT_EQ(Good({}).io_memory_bytes, kIoMemoryBytesDefault);
  EXPECT_EQ(Good({"--io-memory", "1GiB", "--cpu-memory", "512MiB"}).cpu_memory_bytes, 512 << 20);
  EXPECT_THAT(Bad({"--cpu-memory", "much"}), HasSubstr("--cpu-memory"));
}

TEST(OptionsTest, FlagsAreTaken) {
  const Options options = Good({"--listen",
                                "[::1]:0",
                                "--http-listen=localhost:1",
                                "--io-interpreters",
                                "3",
                                "--io-threads",
                                "7",
                                "--cpu-interpreters",
                                "5",
                                "--preload",
                                "numpy, PIL.Image",
                                "--grace",
                                "1.5s",
                                "--queue-tasks",
                                "9",
                                "--queue-bytes",
                                "2MiB",
                                "--session-idle",
                                "250ms",
                                "--interpreter",
                                "/x/y",
                                "--verbose"});
  EXPECT_EQ(options.listen, "[::1]:0");
  EXPECT_EQ(options.http_listen, "localhost:1");
  EXPECT_EQ(options.io_interpreters, 3);
  EXPECT_EQ(options.io_threads, 7);
  EXPECT_EQ(options.cpu_interpreters, 5);
  EXPECT_THAT(options.preload, ElementsAre("numpy", "PIL.Image"));
  EXPECT_EQ(options.grace_ns, 1500 * kNsPerMs);
  EXPECT_EQ(options.queue_tasks, 9);
  EXPECT_EQ(options.queue_bytes, 2 << 20);
  EXPECT_EQ(options.session_idle_ns, 250 * kNsPerMs);
  EXPECT_EQ(options.interpreter, "/x/y");
  EXPECT_TRUE(options.verbose);
}

TEST(OptionsTest, TheEnvironmentStandsInForFlags) {
  setenv("GILD_IO_THREADS", "9", 1);
  setenv("GILD_GRACE", "2m", 1);
  EXPECT_EQ(Good({}).io_threads, 9);
  EXPECT_EQ(Good({}).grace_ns, 120 * kNsPerSecond);
  EXPECT_EQ(Good({"--io-threads", "3"}).io_threads, 3) << "a flag goes first";
  setenv("GILD_IO_THREADS", "none", 1);
  EXPECT_THAT(Bad({}), HasSubstr("io-threads"));
  unsetenv("GILD_IO_THREADS");
  unsetenv("GILD_GRACE");
}

TEST(OptionsTest, ABadValueNamesItsFlag) {
  EXPECT_THAT(Bad({"--io-threads", "many"}), HasSubstr("--io-threads"));
  EXPECT_THAT(Bad({"--io-threads", "0"}), HasSubstr("--io-threads"));
  EXPECT_THAT(Bad({"--io-threads", "1025"}), HasSubstr("--io-threads"));
  EXPECT_THAT(Bad({"--cpu-interpreters", "-1"}), HasSubstr("--cpu-interpreters"));
  EXPECT_THAT(Bad({"--grace", "10"}), HasSubstr("'10' is not a duration"));
  EXPECT_THAT(Bad({"--grace", "-1s"}), HasSubstr("--grace"));
  EXPECT_THAT(Bad({"--grace", "inf"}), HasSubstr("--grace"));
  for (const char* bad : {"0", "0s", "-1s", "24h1ns", "inf", "10"}) {
    EXPECT_THAT(Bad({"--session-idle", bad}), HasSubstr("--session-idle")) << bad;
  }
  EXPECT_EQ(Good({"--session-idle", "24h"}).session_idle_ns, kSessionIdleNsMax);
  EXPECT_THAT(Bad({"--queue-bytes", "lots"}), HasSubstr("'lots' is not a size"));
  EXPECT_THAT(Bad({"--queue-bytes", "0"}), HasSubstr("--queue-bytes"));
  EXPECT_THAT(Bad({"--queue-tasks", "0"}), HasSubstr("--queue-tasks"));
  EXPECT_THAT(Bad({"--listen"}), HasSubstr("--listen"));
}

TEST(OptionsTest, ABadAddressIsNamed) {
  for (const char* bad :
       {"nowhere", "127.0.0.1", "127.0.0.1:http", "127.0.0.1:70000", "127.0.0.1:", "::1:50051", "[::1:5"}) {
    EXPECT_THAT(Bad({"--listen", bad}), HasSubstr(bad));
  }
  EXPECT_THAT(Bad({"--http-listen", "unix:/x"}), HasSubstr("unix:/x"));
}

TEST(OptionsTest, AnUnknownFlagIsNamedWithTheNearest) {
  EXPECT_EQ(Bad({"--io-thread", "3"}), "gild-server: no flag --io-thread; did you mean --io-threads?");
  EXPECT_EQ(Bad({"--no-such-flag"}), "gild-server: no flag --no-such-flag (see --help)");
  EXPECT_THAT(Bad({"surplus"}), HasSubstr("'surplus' is not expected"));
}

TEST(OptionsTest, BeyondLoopbackNeedsInsecure) {
  for (const char* address : {"0.0.0.0:1", "192.168.0.1:1", "[::]:1", ":1", "example.org:1", "128.0.0.1:1"}) {
    EXPECT_THAT(Bad({"--listen", address}), HasSubstr("--insecure")) << address;
    EXPECT_THAT(Bad({"--http-listen", address}), HasSubstr("--insecure")) << address;
    EXPECT_EQ(Good({"--insecure", "--listen", address}).listen, address);
  }
  for (const char* address : {"127.0.0.1:1", "127.255.0.9:1", "[::1]:1", "localhost:1", "unix:/run/gild"}) {
    EXPECT_EQ(Good({"--listen", address}).listen, address);
  }
}

TEST(OptionsTest, HelpHasExamplesBeforeTheFlags) {
  auto parsed = Parse({"--help"});
  const Exit exit = std::get<Exit>(parsed);
  EXPECT_EQ(exit.code, 0);
  EXPECT_LT(exit.out.find("Examples:"), exit.out.find("--io-interpreters "));
  EXPECT_THAT(exit.out, HasSubstr("GILD_LISTEN"));
}

TEST(OptionsTest, VersionIsPrinted) {
  auto parsed = Parse({"--version"});
  EXPECT_EQ(std::get<Exit>(parsed).out, "gild-server 1.2.3\n");
}

}  // namespace
}  // namespace gild
