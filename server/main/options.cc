#include "server/main/options.h"

#include <arpa/inet.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <map>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/time/time.h"
#include "server/base/address.h"
#include "server/base/cores.h"

namespace gild {
namespace {

constexpr char kDescription[] =
    "gild-server runs Python tasks of gRPC clients and measures the interpreter lock.\n"
    "\n"
    "Examples:\n"
    "  gild-server                                       loopback, one interpreter a core\n"
    "  gild-server --io-threads 256 --preload numpy,PIL.Image\n"
    "  gild-server --listen 127.0.0.1:0 --http-listen 127.0.0.1:0   free ports, printed when ready\n"
    "  gild-server --listen 0.0.0.0:50051 --insecure     beyond this machine, for everyone who can reach it\n"
    "\n"
    "SIGTERM and ^C let accepted tasks finish (--grace); a second one ends that at once.\n";

constexpr int64_t kGraceNsMax = 24 * 3600 * kNsPerSecond;

bool IsUnix(const std::string& address) {
  return address.rfind("unix:", 0) == 0 || address.rfind("unix-abstract:", 0) == 0;
}

CLI::Validator Address(bool unix_allowed) {
  return CLI::Validator(
      [unix_allowed](std::string& text) {
        if ((unix_allowed && IsUnix(text)) || SplitHostPort(text)) return std::string();
        return "'" + text + "' is not an address like 127.0.0.1:50051 or [::1]:50051";
      },
      "HOST:PORT");
}

bool ParseDuration(const std::string& text, int64_t* ns) {
  absl::Duration duration;
  if (!absl::ParseDuration(text, &duration) || duration < absl::ZeroDuration() ||
      duration > absl::Nanoseconds(kGraceNsMax)) {
    return false;
  }
  *ns = absl::ToInt64Nanoseconds(duration);
  return true;
}

bool ParseIdle(const std::string& text, int64_t* ns) {
  return ParseDuration(text, ns) && *ns > 0 && *ns <= kSessionIdleNsMax;
}

bool ParseBytes(const std::string& text, int64_t* bytes) {
  static const std::map<std::string, double> kUnits = {
      {"", 1},          {"B", 1},         {"kB", 1e3},     {"KB", 1e3},    {"MB", 1e6},
      {"GB", 1e9},      {"k", 1 << 10},   {"K", 1 << 10},  {"M", 1 << 20}, {"G", 1 << 30},
      {"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}};
  const size_t end = text.find_first_not_of("0123456789.");
  const auto unit = kUnits.find(end == std::string::npos ? "" : text.substr(end));
  double number = 0;
  if (unit == kUnits.end() || !absl::SimpleAtod(text.substr(0, end), &number)) return false;
  const double product = number * unit->second;
  if (!(product >= 1 && product <= 1e15)) return false;
  *bytes = std::llround(product);
  return true;
}

CLI::Validator Check(bool (*parse)(const std::string&, int64_t*), const std::string& what, const std::string& type) {
  return CLI::Validator(
      [parse, what](std::string& text) {
        int64_t value;
        return parse(text, &value) ? std::string() : "'" + text + "' is not " + what;
      },
      type);
}

CLI::Validator Layers() {
  return CLI::Validator(
      [](std::string& text) {
        for (const std::string& name : std::vector<std::string>(absl::StrSplit(text, ',', absl::SkipEmpty()))) {
          const std::optional<Layer> layer = LayerNamed(name);
          if (!layer) return "there is no layer '" + name + "' (server/sandbox/README.md lists them)";
          if (layer == Layer::kNoNewPrivs) return name + " cannot be left out: seccomp and landlock stand on it";
        }
        return std::string();
      },
      "LAYERS");
}

// Edits between two words: of letters changed, added or left out.
size_t Edits(const std::string& a, const std::string& b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t above = row[j];
      row[j] = std::min({above + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1])});
      diagonal = above;
    }
  }
  return row[b.size()];
}

std::string UnknownFlag(const CLI::App& app, const std::string& word) {
  if (word.rfind("-", 0) != 0) return "'" + word + "' is not expected: gild-server takes flags only (see --help)";
  const std::string flag = word.substr(0, word.find('='));
  std::string best;
  size_t best_edits = 3;  // more is no typing error
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) {
      const size_t edits = Edits(flag, "--" + name);
      if (edits < best_edits) {
        best = "--" + name;
        best_edits = edits;
      }
    }
  }
  return "no flag " + flag + (best.empty() ? " (see --help)" : "; did you mean " + best + "?");
}

Exit BadFlag(const std::string& text) {
  return {.code = 2, .err = "gild-server: " + absl::StrReplaceAll(text, {{"\n", " "}})};
}

}  // namespace

bool IsLoopback(const std::string& address) {
  if (IsUnix(address)) return true;
  const std::optional<HostPort> split = SplitHostPort(address);
  if (!split) return false;
  in_addr v4;
  if (inet_pton(AF_INET, split->host.c_str(), &v4) == 1) return ntohl(v4.s_addr) >> 24 == 127;
  in6_addr v6;
  if (inet_pton(AF_INET6, split->host.c_str(), &v6) == 1) return IN6_IS_ADDR_LOOPBACK(&v6);
  return split->host == "localhost";
}

std::variant<Options, Exit> ParseOptions(int argc, const char* const* argv, const std::string& version) {
  Options options;
  options.cpu_interpreters = std::min<int>(AllowedCores().size(), kInterpretersMax);
  std::string preload;
  std::string grace = absl::FormatDuration(absl::Nanoseconds(kGraceNsDefault));
  std::string session_idle = absl::FormatDuration(absl::Nanoseconds(kSessionIdleNsDefault));
  std::string queue_bytes = absl::StrCat(kQueuedBytesMax >> 20, "MiB");
  std::string io_memory = absl::StrCat(kIoMemoryBytesDefault >> 30, "GiB");
  std::string cpu_memory = absl::StrCat(kCpuMemoryBytesDefault >> 30, "GiB");
  std::string require_isolation = Name(options.require_isolation);
  std::string without_layers;

  CLI::App app(kDescription, "gild-server");
  app.get_formatter()->column_width(34);
  app.set_version_flag("--version", "gild-server " + version);
  app.add_option("--listen", options.listen, "gRPC address; port 0 takes a free one; unix:PATH works")
      ->check(Address(true))
      ->envname("GILD_LISTEN")
      ->capture_default_str();
  app.add_option("--http-listen", options.http_listen,
                 "address of /metrics, /healthz and /readyz; port 0 takes a free one")
      ->check(Address(false))
      ->envname("GILD_HTTP_LISTEN")
      ->capture_default_str();
  app.add_option("--io-interpreters", options.io_interpreters,
                 "interpreters of the I/O lane, each with a lock of its own")
      ->check(CLI::Range(1, kInterpretersMax))
      ->envname("GILD_IO_INTERPRETERS")
      ->capture_default_str();
  app.add_option("--io-threads", options.io_threads, "tasks at once in one interpreter of the I/O lane")
      ->check(CLI::Range(1, kThreadsMax))
      ->envname("GILD_IO_THREADS")
      ->capture_default_str();
  app.add_option("--cpu-interpreters", options.cpu_interpreters,
                 "interpreters of the CPU lane, one task at a time in each; default: one a core")
      ->check(CLI::Range(1, kInterpretersMax))
      ->envname("GILD_CPU_INTERPRETERS")
      ->capture_default_str();
  app.add_option("--io-memory", io_memory, "memory of one interpreter of the I/O lane and all that its tasks start")
      ->check(Check(&ParseBytes, "a size like 512MiB or 4GiB", "SIZE"))
      ->envname("GILD_IO_MEMORY")
      ->capture_default_str();
  app.add_option("--cpu-memory", cpu_memory, "likewise of the CPU lane")
      ->check(Check(&ParseBytes, "a size like 512MiB or 4GiB", "SIZE"))
      ->envname("GILD_CPU_MEMORY")
      ->capture_default_str();
  app.add_option("--tasks-per-interpreter", options.tasks_per_interpreter,
                 "tasks after which an interpreter of the CPU lane is replaced; 0: never for that")
      ->check(CLI::Range(int64_t{0}, int64_t{1'000'000'000'000}))
      ->envname("GILD_TASKS_PER_INTERPRETER")
      ->capture_default_str();
  app.add_option(
         "--fresh-stock", options.fresh_stock,
         "interpreters that nobody has used, kept ready on each core of the CPU lane for tasks that ask for one")
      ->check(CLI::Range(1, kFreshStockMax))
      ->envname("GILD_FRESH_STOCK")
      ->capture_default_str();
  app.add_option("--preload", preload, "modules that tasks find imported, separated by commas: numpy,PIL.Image")
      ->envname("GILD_PRELOAD")
      ->type_name("MODULES");
  app.add_option("--grace", grace, "how long SIGTERM waits for accepted tasks (500ms, 10s, 2m)")
      ->check(Check(&ParseDuration, "a duration like 500ms, 10s or 2m, a day at most", "DURATION"))
      ->envname("GILD_GRACE")
      ->capture_default_str();
  app.add_option("--queue-tasks", options.queue_tasks, "tasks that may wait for one lane; beyond, they are refused")
      ->check(CLI::Range(int64_t{1}, int64_t{10'000'000}))
      ->envname("GILD_QUEUE_TASKS")
      ->capture_default_str();
  app.add_option("--queue-bytes", queue_bytes,
                 "memory that accepted tasks of one lane may hold, waiting or running (512MiB, 4GiB)")
      ->check(Check(&ParseBytes, "a size like 512MiB or 4GiB", "SIZE"))
      ->envname("GILD_QUEUE_BYTES")
      ->capture_default_str();
  app.add_option("--session-idle", session_idle,
                 "after how long without a task a session's globals are forgotten (30s, 10m)")
      ->check(Check(&ParseIdle, "a duration like 30s, 10m or 2h, more than nothing and a day at most", "DURATION"))
      ->envname("GILD_SESSION_IDLE")
      ->capture_default_str();
  app.add_flag("--insecure", options.insecure, "allow an address beyond loopback: no encryption, no identity")
      ->envname("GILD_INSECURE");
  app.add_flag("--cpu-network", options.cpu_network,
               "tasks of the CPU lane may use the network, as those of the I/O lane")
      ->envname("GILD_CPU_NETWORK");
  app.add_option("--require-isolation", require_isolation,
                 "refuse to start with less: none, user (what an ordinary user can have) or full")
      ->check(CLI::IsMember({"none", "user", "full"}))
      ->envname("GILD_REQUIRE_ISOLATION")
      ->capture_default_str();
  app.add_option("--without-layers", without_layers,
                 "layers of isolation to leave out, separated by commas: to see what each is worth, never in service")
      ->check(Layers())
      ->envname("GILD_WITHOUT_LAYERS")
      ->type_name("LAYERS");
  app.add_option("--interpreter", options.interpreter, "path of gild-interpreter; default: beside gild-server")
      ->envname("GILD_INTERPRETER")
      ->type_name("PATH");
  app.add_flag("--verbose", options.verbose, "log more than warnings, to stderr")->envname("GILD_VERBOSE");

  // Looked at here, for a message that names what is wrong first.
  app.allow_extras();
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    return Exit{.out = app.help()};
  } catch (const CLI::CallForVersion&) {
    return Exit{.out = "gild-server " + version + "\n"};
  } catch (const CLI::ParseError& error) {
    return BadFlag(error.what());
  }
  const std::vector<std::string> extras = app.remaining();
  if (!extras.empty()) return BadFlag(UnknownFlag(app, extras.front()));

  options.preload = absl::StrSplit(absl::StrReplaceAll(preload, {{" ", ""}}), ',', absl::SkipEmpty());
  ParseDuration(grace, &options.grace_ns);
  ParseIdle(session_idle, &options.session_idle_ns);
  ParseBytes(queue_bytes, &options.queue_bytes);
  ParseBytes(io_memory, &options.io_memory_bytes);
  ParseBytes(cpu_memory, &options.cpu_memory_bytes);
  options.require_isolation = IsolationLevelNamed(require_isolation).value_or(IsolationLevel::kFull);
  options.without_layers = absl::StrSplit(without_layers, ',', absl::SkipEmpty());
  for (const auto& [flag, address] :
       {std::pair("--listen", options.listen), std::pair("--http-listen", options.http_listen)}) {
    if (!options.insecure && !IsLoopback(address)) {
      return BadFlag(absl::StrCat(flag, " ", address,
                                  " is beyond loopback, and calls have no encryption and no identity yet: "
                                  "add --insecure to allow it"));
    }
  }
  return options;
}

}  // namespace gild
