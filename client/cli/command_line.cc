#include "client/cli/command_line.h"

#include <stdlib.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "client/cli/advise.h"
#include "client/cli/bench_command.h"
#include "client/cli/bench_report.h"
#include "client/cli/demo.h"
#include "client/cli/exit_code.h"
#include "client/cli/explain.h"
#include "client/cli/monitor_commands.h"
#include "client/cli/run_command.h"
#include "client/cli/suggest.h"
#include "client/cli/terminal.h"
#include "client/cli/units.h"

namespace gild::cli {
namespace {

constexpr char kExamples[] = R"(Runs Python on a gild server, on the right side of the interpreter lock.

Examples:
  gild run hello.py                                a script
  gild run --tag cpu --entry fib --arg 30 fib.py   a function of it; the result as JSON
  gild info                                        what the server is
  gild stats                                       what it and its locks are doing
  gild demo                                        four lessons of the lock, measured
  gild advise primes.py                            which lane a script belongs in, and why
  gild bench                                       how many no-op tasks a second, how soon)";

constexpr char kRunExamples[] = R"(Runs one task and waits for its end; Ctrl-C stops it on the server.

Examples:
  gild run hello.py
  gild run --tag cpu --timeout 5s --memory 256MiB primes.py
  gild run --entry fib --arg 30 -c 'def fib(n): return n if n < 2 else fib(n-1) + fib(n-2)'
  gild run --entry thumb --arg @photo.jpg thumb.py > small.jpg
  gild run --tag io --session s -c 'n = globals().get("n", 0) + 1; print(n)'
  gild run --file a.csv --collect 'out/*.png' --into plots plot.py
  gild run --follow crawl.py
  echo 'print(6 * 7)' | gild run -
)";

constexpr char kRunFooter[] = R"(Exit codes:
    0  SUCCEEDED                      121  EXPIRED (waited too long to start)
    n  EXITED with n                  122  INTERPRETER_LOST
    1  RAISED                         123  PROTOCOL_ERROR
    2  bad usage                      124  TIMED_OUT
   69  server unreachable             125  gild itself failed
   75  refused, try again later       126  cannot start: source, imports, files
  120  RESULT_LIMIT                   127  no such entry
  130  CANCELLED (143 after SIGTERM)  137  MEMORY_LIMIT
  152  CPU_LIMIT                      153  OUTPUT_LIMIT
  118  PROCESS_LIMIT                  119  SCRATCH_LIMIT
  128 + n  CRASHED by signal n)";

constexpr char kInfoExamples[] = R"(Shows what the server is: versions, isolation, lanes, limits.

Examples:
  gild info
  gild info --json --server 10.0.0.7:50051
)";

constexpr char kStatsExamples[] = R"(Shows what the server is doing: lanes, interpreters and their locks, sessions,
cores. It answers while every interpreter is stuck.

Examples:
  gild stats
  gild stats --watch --interval 200ms
)";

constexpr char kStatsFooter[] = R"(WAIT, HOLD: time spent wanting and having the lock, all tasks together, since the
server's start. LONGEST: one uninterrupted hold. WANT: threads that want it now.
Sessions are the last used ones; --json has them all.)";

constexpr char kDemoExamples[] = R"(Runs four workloads in both lanes and shows what the lock cost each.
About 50 s on two cores; every result is checked.

Examples:
  gild demo
  gild demo --scale 0.1
  gild demo --only images --images ~/Pictures
  gild demo --only urls --url-file my-urls.txt --json
  gild demo --only primes,arrays --runtime /opt/python3.13t/bin/python3
)";

constexpr char kAdviseExamples[] = R"(Says which tag a script should have: runs it alone and in copies, in both lanes,
predicts and measures what each lane gains, and names the functions that hold
the lock. It must run again and again, in about --seconds.

Examples:
  gild advise primes.py
  gild advise --entry fetch --arg '"http://127.0.0.1:8000/"' fetch.py
  gild advise --copies 64 --seconds 60 --json report.py
)";

constexpr char kAdviseFooter[] = R"(Exit codes: 0 it advised; when the script fails, as `gild run`; 2 bad usage,
69 server unreachable.)";

constexpr char kBenchExamples[] = R"(Sends tasks for some seconds and shows how many came back, how soon, and where
their time went. Ctrl-C ends it early and shows what there is.

A closed loop (the default) keeps --outstanding tasks under way: it finds the
rate that the server takes. An open loop (--rate) sends at planned moments
whatever the server does: it shows what latency users would see.

Workloads: noop (the default), the demo's urls, images, primes, arrays (in
parts of some 20 ms), or a FILE of Python source, as in `gild run`.

Examples:
  gild bench --tag io
  gild bench --mode batched --batch 64 --duration 5s
  gild bench urls --tag io --rate 200
  gild bench --entry fib --arg 20 --tag cpu --rate 50 fib.py
)";

constexpr char kBenchFooter[] = R"(--outstanding is 64; with --mode stream 256, with --mode batched 4 batches; with
--rate 1024: while so many are under way, planned tasks wait and count as late.
Exit codes: 0 it measured, whatever the endings; 2 bad usage, 69 server
unreachable (or lost on the way: then after the report), else as `gild run`.)";

struct Options {
  std::string server = kDefaultServer;
  ColorMode color = ColorMode::kAuto;
  RunOptions run;
  std::string code;
  DemoOptions demo;
  BenchOptions bench;
  AdviseOptions advise;
  bool info_json = false;
  bool stats_json = false;
  bool stats_watch = false;
  std::optional<absl::Duration> stats_interval;
  bool serve_urls = false;
};

// An option with a unit: text that `parse` turns down is bad usage, with an example.
template <typename Number>
void AddUnit(CLI::App* app, const std::string& name, std::optional<Number>* number,
             std::optional<Number> (*parse)(const std::string&), const char* type, const std::string& what,
             const std::string& help) {
  app->add_option_function<std::string>(
         name,
         [name, number, parse, what](const std::string& text) {
           *number = parse(text);
           if (!*number) throw CLI::ValidationError(name, "'" + OneLine(text) + "' is not " + what);
         },
         help)
      ->type_name(type);
}

constexpr char kADuration[] = "a duration such as 500ms, 5s or 2m";
constexpr char kASize[] = "a size such as 64KiB or 256MiB";

void AddTag(CLI::App* app, std::string* tag) {
  app->add_option("--tag", *tag, "io, cpu or auto (default)")
      ->type_name("TAG")
      ->transform(CLI::CheckedTransformer(
                      std::vector<std::pair<std::string, std::string>>{{"io", "io"}, {"cpu", "cpu"}, {"auto", "auto"}},
                      CLI::ignore_case)
                      .description(""));
}

// What a task is: the same for all that run one.
void AddEntry(CLI::App* app, std::string* entry, std::vector<std::string>* arguments) {
  app->add_option("--entry", *entry, "function to call after the source ran")->type_name("NAME");
  // allow_extra_args(false): one value each; and CLI11 then leaves `[1,2]` in one piece.
  app->add_option("--arg", *arguments, "its next argument: JSON, or @FILE for bytes")
      ->type_name("JSON")
      ->allow_extra_args(false);
}

void AddRun(CLI::App* root, Options* options) {
  CLI::App* app = root->add_subcommand("run", kRunExamples);
  RunOptions& run = options->run;
  app->add_option("FILE", run.file, "Python source, UTF-8; - for stdin")->type_name("");
  app->add_option("-c", options->code, "the source itself, in place of FILE")->type_name("CODE");
  AddTag(app, &run.tag);
  AddEntry(app, &run.entry, &run.arguments);
  AddUnit(app, "--timeout", &run.timeout, &ParseDuration, "TIME", kADuration, "most time it may run (default 30s)");
  AddUnit(app, "--queue-timeout", &run.queue_timeout, &ParseDuration, "TIME", kADuration,
          "most time it may wait to start (60s)");
  AddUnit(app, "--cpu-time", &run.cpu_time, &ParseDuration, "TIME", kADuration, "most processor time; CPU lane (none)");
  AddUnit(app, "--memory", &run.memory_bytes, &ParseSize, "SIZE", kASize, "most memory it may add; CPU lane (none)");
  app->add_option("--processes", run.processes, "most processes and threads beside its own; CPU lane (510)")
      ->type_name("N");
  AddUnit(app, "--scratch", &run.scratch_bytes, &ParseSize, "SIZE", kASize,
          "most its files may take; CPU lane (256MiB)");
  app->add_option("--scratch-files", run.scratch_files, "most files; CPU lane (16384)")->type_name("N");
  AddUnit(app, "--output", &run.output_bytes, &ParseSize, "SIZE", kASize, "of stdout and of stderr, kept (1MiB)");
  app->add_option("--file", run.files, "a file for its working directory")
      ->type_name("LOCAL[:NAME]")
      ->allow_extra_args(false);
  app->add_option("--collect", run.collect, "bring back: out/a.csv, 'out/*.png'")
      ->type_name("PATTERN")
      ->allow_extra_args(false);
  app->add_flag("--fresh", run.fresh, "in an interpreter that nobody has used, nor will (CPU lane)");
  app->add_flag("--allow-subprocess", run.allow_subprocess, "it may start processes, which end with it");
  app->add_option("--into", run.into, "where what is collected is written (here)")->type_name("DIR");
  app->add_option("--session", run.session, "share globals with its other tasks; I/O lane")->type_name("NAME");
  app->add_option("--name", run.name, "label for people and metrics")->type_name("NAME");
  app->add_flag("--follow", run.follow, "print its output while it runs, and its gild.progress");
  app->add_flag("--json", run.json, "the outcome as one line of JSON");
  app->footer(kRunFooter);
}

std::optional<absl::Duration> ParseWarmUp(const std::string& text) {
  return text == "0" ? absl::ZeroDuration() : ParseDuration(text);
}

void AddDemo(CLI::App* root, Options* options) {
  CLI::App* app = root->add_subcommand("demo", kDemoExamples);
  DemoOptions& demo = options->demo;
  app->add_option("--only", demo.only, "of urls,images,primes,arrays (default all)")
      ->type_name("LIST")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->check(CLI::IsMember({"urls", "images", "primes", "arrays"}).description(""));
  app->add_option("--lanes", demo.lanes, "of io,cpu (default both)")
      ->type_name("LIST")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->check(CLI::IsMember({"io", "cpu"}).description(""));
  app->add_option_function<std::string>(
         "--scale",
         [&demo](const std::string& text) {
           char* end = nullptr;
           demo.scale = strtod(text.c_str(), &end);
           if (text.empty() || *end != '\0' || !(demo.scale >= 0.001 && demo.scale <= 100)) {
             throw CLI::ValidationError("--scale", "'" + OneLine(text) + "' is not a factor from 0.001 to 100");
           }
         },
         "factor on the size of the work (1)")
      ->type_name("FACTOR");
  app->add_option("--url-file", demo.url_file, "your URLs, one a line, in place of the 100")->type_name("FILE");
  app->add_option("--images", demo.images, "your directory of *.jpg, *.jpeg, *.png")->type_name("DIR");
  app->add_option("--runtime", demo.runtime, "another Python: its threads at primes and arrays")->type_name("PATH");
  app->add_flag_callback(
      "--no-baseline", [&demo] { demo.baseline = false; }, "no run one at a time, and no SPEEDUP");
  app->add_flag("--json", demo.json, "every figure as one line of JSON");
  app->add_flag("--serve-urls", options->serve_urls, "")->group("");
}

// A whole number from `least` to `most`.
template <typename Number>
void AddCount(CLI::App* app, const std::string& name, Number* number, uint64_t least, uint64_t most,
              const std::string& help) {
  app->add_option_function<std::string>(
         name,
         [name, number, least, most](const std::string& text) {
           uint64_t count = 0;
           const bool is_count =
               text.find_first_not_of("0123456789") == std::string::npos && absl::SimpleAtoi(text, &count);
           if (!is_count || count < least || count > most) {
             throw CLI::ValidationError(
                 name, absl::StrCat("'", OneLine(text), "' is not a whole number from ", least, " to ", most));
           }
           *number = count;
         },
         help)
      ->type_name("N");
}

// One word of a few.
template <typename Choice>
void AddChoice(CLI::App* app, const std::string& name, std::vector<std::pair<std::string, Choice>> choices,
               std::function<void(Choice)> choose, const std::string& words, const std::string& help) {
  app->add_option_function<std::string>(
         name,
         [=](const std::string& text) {
           for (const auto& [word, choice] : choices) {
             if (word == text) return choose(choice);
           }
           throw CLI::ValidationError(name, "'" + OneLine(text) + "' is not " + words);
         },
         help)
      ->type_name("WORD");
}

void AddBench(CLI::App* root, Options* options) {
  CLI::App* app = root->add_subcommand("bench", kBenchExamples);
  BenchOptions& bench = options->bench;
  app->add_option("WORKLOAD", bench.workload, "noop (default), urls, images, primes, arrays, or FILE")->type_name("");
  AddTag(app, &bench.tag);
  AddEntry(app, &bench.entry, &bench.arguments);
  std::vector<std::pair<std::string, bench::Mode>> modes;
  for (const auto mode : {bench::Mode::kUnary, bench::Mode::kStream, bench::Mode::kBatched}) {
    modes.emplace_back(ModeWord(mode), mode);
  }
  AddChoice<bench::Mode>(
      app, "--mode", modes, [&bench](bench::Mode mode) { bench.mode = mode; }, "unary, stream or batched",
      "unary (default), stream or batched");
  AddCount(app, "--batch", &bench.batch, 1, kBenchBatchMax, "tasks a message, with --mode batched (64)");
  AddCount(app, "--outstanding", &bench.outstanding, 1, kBenchOutstandingMax,
           "most tasks under way, in all (see below)");
  AddCount(app, "--connections", &bench.connections, 1, kBenchConnectionsMax, "the tasks are spread over so many (1)");
  app->add_option_function<std::string>(
         "--rate",
         [&bench](const std::string& text) {
           double rate = 0;
           if (!absl::SimpleAtod(text, &rate) || !(rate >= kBenchRateMin && rate <= kBenchRateMax)) {
             throw CLI::ValidationError("--rate",
                                        "'" + OneLine(text) + "' is not a rate from 0.01 to 1000000 a second");
           }
           bench.rate = rate;
         },
         "tasks a second at planned moments: an open loop")
      ->type_name("RATE");
  std::vector<std::pair<std::string, bench::Spacing>> spacings;
  for (const auto spacing : {bench::Spacing::kPoisson, bench::Spacing::kEven}) {
    spacings.emplace_back(SpacingWord(spacing), spacing);
  }
  AddChoice<bench::Spacing>(
      app, "--spacing", spacings, [&bench](bench::Spacing spacing) { bench.spacing = spacing; }, "poisson or even",
      "of these moments: poisson (default) or even");
  AddCount(app, "--seed", &bench.seed, 0, std::numeric_limits<int64_t>::max(), "of poisson's moments (1)");
  AddUnit(app, "--duration", &bench.duration, &ParseDuration, "TIME", kADuration, "time to measure (10s)");
  AddCount(app, "--tasks", &bench.tasks, 1, bench::kTasksMax, "so many tasks, in place of --duration");
  AddUnit(app, "--warm-up", &bench.warm_up, &ParseWarmUp, "TIME", "a duration such as 500ms or 5s, or 0 for none",
          "the same load before, not measured (1s)");
  app->add_flag("--json", bench.json, "every figure as one line of JSON");
  app->footer(kBenchFooter);
}

void AddAdvise(CLI::App* root, Options* options) {
  CLI::App* app = root->add_subcommand("advise", kAdviseExamples);
  AdviseOptions& advise = options->advise;
  app->add_option("FILE", advise.task.file, "Python source, UTF-8; - for stdin")->type_name("")->required();
  AddEntry(app, &advise.task.entry, &advise.task.arguments);
  AddUnit(app, "--timeout", &advise.task.timeout, &ParseDuration, "TIME", kADuration,
          "most time a run may take (default 30s)");
  AddCount(app, "--copies", &advise.copies, 1, kAdviseCopiesMax, "so many at once (32; 4 a core if it computes)");
  app->add_option_function<std::string>(
         "--seconds",
         [&advise](const std::string& text) {
           double seconds = 0;
           if (!absl::SimpleAtod(text, &seconds) || !(seconds >= 1 && seconds <= 3600)) {
             throw CLI::ValidationError("--seconds", "'" + OneLine(text) + "' is not a number from 1 to 3600");
           }
           advise.time = absl::Seconds(seconds);
         },
         "about so long in all (20)")
      ->type_name("N");
  app->add_flag_callback(
      "--no-profile", [&advise] { advise.profile = false; }, "not which functions hold the lock");
  app->add_flag("--json", advise.json, "every figure as one line of JSON");
  app->footer(kAdviseFooter);
}

std::unique_ptr<CLI::App> MakeApp(Options* options) {
  auto app = std::make_unique<CLI::App>(kExamples, "gild");
  app->get_formatter()->column_width(26);
  app->require_subcommand(0, 1);
  // Subcommands hand back what they do not know, so that --server may stand anywhere.
  app->fallthrough();
  app->set_version_flag("--version", std::string("gild " GILD_VERSION));
  app->add_option("--server", options->server, "host:port (default 127.0.0.1:50051)")
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeLast)
      ->envname("GILD_SERVER");
  app->add_option_function<std::string>(
         "--color",
         [options](const std::string& when) {
           if (when != "auto" && when != "always" && when != "never") {
             throw CLI::ValidationError("--color", "'" + OneLine(when) + "' is not auto, always or never");
           }
           options->color = when == "always"  ? ColorMode::kAlways
                            : when == "never" ? ColorMode::kNever
                                              : ColorMode::kAuto;
         },
         "auto (default), always or never")
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
  AddRun(app.get(), options);
  app->add_subcommand("info", kInfoExamples)->add_flag("--json", options->info_json, "the reply as one line of JSON");
  CLI::App* stats = app->add_subcommand("stats", kStatsExamples);
  stats->add_flag("--json", options->stats_json, "the reply as one line of JSON");
  stats->add_flag("--watch", options->stats_watch, "again and again, until it is interrupted");
  AddUnit(stats, "--interval", &options->stats_interval, &ParseDuration, "TIME", kADuration,
          "time between two (default 1s), with --watch");
  stats->get_option("--interval")->needs("--watch");
  stats->footer(kStatsFooter);
  AddDemo(app.get(), options);
  AddAdvise(app.get(), options);
  AddBench(app.get(), options);
  return app;
}

const CLI::App& Chosen(const CLI::App& app) {
  const auto chosen = app.get_subcommands();
  return chosen.empty() ? app : *chosen.front();
}

std::string WithoutBlankEnd(std::string text) {
  text.erase(text.find_last_not_of('\n') + 1);
  return text + "\n";
}

// The root's help lists commands by the first line of what each says.
std::string HelpOf(const CLI::App& app) {
  if (&Chosen(app) != &app) {
    return WithoutBlankEnd(Chosen(app).help("gild")) +
           "\n--server HOST:PORT (or GILD_SERVER) and --color WHEN go anywhere.\n";
  }
  return std::string(kExamples) + R"(

Commands:
  run     run one task and wait for its end
  info    what the server is: versions, isolation, lanes, limits
  stats   what it is doing: lanes, interpreters and their locks, cores
  demo    four lessons of the lock, measured on this server
  advise  which lane a script belongs in, what it would gain, what holds the lock
  bench   how many tasks it takes a second, how soon they end, and why

Options:
  --server HOST:PORT   the server (default 127.0.0.1:50051, or $GILD_SERVER)
  --color WHEN         auto (default), always or never; NO_COLOR is respected
  --version            print the version
  -h, --help           this; `gild COMMAND --help` says more
)";
}

std::vector<std::string> OptionsOf(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* level : {&Chosen(app), &app}) {
    for (const CLI::Option* option : level->get_options()) {
      if (option->get_group().empty()) continue;  // hidden
      for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
      for (const std::string& name : option->get_snames()) names.push_back("-" + name);
    }
  }
  return names;
}

std::string Help(const CLI::App& app) {
  return &Chosen(app) == &app ? "see `gild --help`" : "see `gild " + Chosen(app).get_name() + " --help`";
}

Explanation Unknown(const std::string& word, const std::string& what, const std::vector<std::string>& known,
                    const CLI::App& app) {
  const std::string near = Suggest(word, known);
  return {what + " " + OneLine(word), near.empty() ? Help(app) : "did you mean " + near + "?"};
}

// What CLI11 could not place, in the user's terms.
Explanation ExplainExtras(const CLI::App& app, const std::vector<std::string>& extras) {
  for (const std::string& extra : extras) {
    if (extra.size() > 1 && extra.front() == '-' && extra != "--") {
      return Unknown(extra.substr(0, extra.find('=')), "unknown option", OptionsOf(app), app);
    }
  }
  if (&Chosen(app) != &app) return {"unexpected argument " + OneLine(extras.front()), Help(app)};
  return Unknown(extras.front(), "unknown command", {"run", "info", "stats", "demo", "advise", "bench"}, app);
}

Explanation ExplainParseError(const CLI::App& app, const CLI::ParseError& error) {
  std::string what = error.what();
  // "--timeout: 1 required TEXT missing" and the like.
  const size_t colon = what.find(':');
  if (error.get_name() == "ArgumentMismatch" && colon != std::string::npos)
    what = what.substr(0, colon) + " takes one value";
  if (what.rfind("--tag:", 0) == 0) what = "--tag is io, cpu or auto";
  if (what.rfind("--only:", 0) == 0) what = "--only takes urls, images, primes and arrays, with commas between";
  if (what.rfind("--lanes:", 0) == 0) what = "--lanes takes io and cpu, with a comma between";
  return {OneLine(what), Help(app)};
}

int Complain(const Explanation& why, const Terminal& terminal) {
  terminal.Error(why.cause, why.hint);
  return kExitUsage;
}

int Run(const CLI::App& app, const Options& options, const Terminal& terminal) {
  RunOptions run = options.run;
  if (Chosen(app).count("-c") > 0) run.code = options.code;
  if (run.code && !run.file.empty()) return Complain({"give FILE or -c CODE, not both", Help(app)}, terminal);
  if (Chosen(app).count("--into") > 0 && run.collect.empty()) {
    return Complain({"--into needs --collect", "say what to bring back with --collect"}, terminal);
  }
  if (!run.code && run.file.empty()) {
    if (!isatty(STDIN_FILENO)) {
      return Complain({"nothing to run", "give FILE, -c CODE, or - to read the source from stdin"}, terminal);
    }
    WriteAll(STDERR_FILENO, HelpOf(app));
    return kExitUsage;
  }
  if (run.follow && run.json) {
    return Complain({"--follow and --json exclude each other", "--json is one line, at the end"}, terminal);
  }
  return RunTask(run, options.server, terminal);
}

int Dispatch(const CLI::App& app, const Options& options, const Terminal& terminal) {
  const std::string command = Chosen(app).get_name();
  if (options.server.empty()) return Complain({"--server is empty", "give host:port"}, terminal);
  if (command == "run") return Run(app, options, terminal);
  if (command == "info") return ShowInfo(options.info_json, options.server, terminal);
  if (command == "stats" && options.stats_watch) {
    return WatchStats(options.stats_json, options.stats_interval.value_or(absl::Seconds(1)), options.server, terminal);
  }
  if (command == "stats") return ShowStats(options.stats_json, options.server, terminal);
  if (command == "advise") return Advise(options.advise, options.server, terminal);
  if (command == "bench") return RunBench(options.bench, options.server, terminal);
  if (options.serve_urls) return ServeUrls(terminal);
  return RunDemo(options.demo, options.server, terminal);
}

}  // namespace

int Main(int argc, const char* const* argv) {
  Options options;
  const std::unique_ptr<CLI::App> app = MakeApp(&options);
  std::optional<Explanation> complaint;
  try {
    app->parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    return WriteAll(STDOUT_FILENO, HelpOf(*app)) ? kExitSucceeded : kExitGildFailed;
  } catch (const CLI::CallForVersion& version) {
    return WriteAll(STDOUT_FILENO, std::string(version.what()) + "\n") ? kExitSucceeded : kExitGildFailed;
  } catch (const CLI::ExtrasError&) {
    complaint = ExplainExtras(*app, app->remaining(true));
  } catch (const CLI::ParseError& error) {
    complaint = ExplainParseError(*app, error);
  }
  const Terminal terminal(options.color);
  if (complaint) return Complain(*complaint, terminal);
  if (&Chosen(*app) == app.get()) {
    WriteAll(STDERR_FILENO, HelpOf(*app));
    return kExitUsage;
  }
  return Dispatch(*app, options, terminal);
}

}  // namespace gild::cli
