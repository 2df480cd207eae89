#include "client/cli/runtime.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "client/cli/child.h"
#include "client/cli/exit_code.h"

namespace gild::cli {
namespace {

constexpr size_t kOutputBytesMost = 64 << 10;
constexpr size_t kWordMost = 32;
constexpr double kSecondsMost = 1e6;

// Its arguments: the workload's code, the names of its entry and its warm-up, the number of threads, and the tasks'
// arguments as JSON. Python 2.7's language, which is Jython's. Ends when stdin does, and so with gild.
constexpr char kProgram[] = R"(import json
import os
import platform
import sys
import threading
import time

code, entry, warm_up, threads, tasks = sys.argv[1:]
todo = list(enumerate(json.loads(tasks)))
results = [None] * len(todo)
scope = {}


def end_with_gild():
    while os.read(0, 4096):
        pass
    os._exit(1)


def work():
    while True:
        try:
            index, arguments = todo.pop(0)
        except IndexError:
            return
        results[index] = scope[entry](*arguments)


def tell(key, value):
    sys.stdout.write("%s %s\n" % (key, value))


watcher = threading.Thread(target=end_with_gild)
watcher.daemon = True
watcher.start()
try:
    exec(code, scope)
except ImportError as error:
    tell("missing", " ".join(str(error).split())[:300] or "a module")
else:
    if warm_up:
        scope[warm_up]()
    clock = getattr(time, "perf_counter", time.time)
    crew = [threading.Thread(target=work) for _ in range(int(threads))]
    began = clock()
    for thread in crew:
        thread.start()
    for thread in crew:
        thread.join()
    tell("seconds", repr(clock() - began))
    if None in results:
        sys.exit(1)
    for result in results:
        tell("result", json.dumps(result))
tell("implementation", platform.python_implementation())
tell("version", "%d.%d.%d" % tuple(sys.version_info[:3]))
tell("free_threaded", int("t" in getattr(sys, "abiflags", "")))
if hasattr(sys, "_is_gil_enabled"):
    tell("lock", int(sys._is_gil_enabled()))
sys.stdout.flush()
os._exit(0)
)";

struct Answer {
  std::string implementation;
  std::string version;
  bool free_threaded = false;
  std::optional<bool> lock;
  std::string missing;
  std::optional<absl::Duration> wall;
  std::vector<std::string> results;
};

bool IsWord(const std::string& text, bool (*allowed)(unsigned char)) {
  return !text.empty() && text.size() <= kWordMost && std::all_of(text.begin(), text.end(), allowed);
}

bool ParseBit(const std::string& text, bool* bit) {
  *bit = text == "1";
  return text == "0" || text == "1";
}

// One line of what the program told.
bool ParseLine(const std::string& key, const std::string& value, Answer* answer) {
  if (key == "implementation") {
    answer->implementation = value;
    return IsWord(value, [](unsigned char c) { return absl::ascii_isalnum(c); });
  }
  if (key == "version") {
    answer->version = value;
    return IsWord(value, [](unsigned char c) { return absl::ascii_isdigit(c) || c == '.'; });
  }
  if (key == "free_threaded") return ParseBit(value, &answer->free_threaded);
  if (key == "lock") return ParseBit(value, &answer->lock.emplace());
  if (key == "missing") {
    answer->missing = OneLine(value);
    return !value.empty();
  }
  if (key == "seconds") {
    double seconds = 0;
    if (!absl::SimpleAtod(value, &seconds) || !(seconds >= 0 && seconds < kSecondsMost)) return false;
    answer->wall = absl::Seconds(seconds);
    return true;
  }
  if (key == "result") answer->results.push_back(value);
  return key == "result";
}

bool Parse(const std::string& text, size_t tasks, Answer* answer) {
  for (const absl::string_view line : absl::StrSplit(text, '\n', absl::SkipEmpty())) {
    const std::pair<std::string, std::string> pair =
        absl::StrSplit(absl::StripSuffix(line, "\r"), absl::MaxSplits(' ', 1));
    if (!ParseLine(pair.first, pair.second, answer)) return false;
  }
  if (answer->implementation.empty() || answer->version.empty()) return false;
  return answer->missing.empty() ? answer->wall && answer->results.size() == tasks : answer->results.empty();
}

// "exited with 1: ModuleNotFoundError: …"
std::string HowItEnded(const ChildResult& result) {
  std::string how = absl::StrCat("exited with ", result.exit_code);
  const std::vector<std::string> said = absl::StrSplit(result.err, '\n', absl::SkipWhitespace());
  return said.empty() ? how : absl::StrCat(how, ": ", OneLine(absl::StripAsciiWhitespace(said.back())));
}

// False: `problem` goes on after the path.
bool Ask(const std::string& path, std::vector<std::string> arguments, size_t tasks, absl::Duration time_most,
         Answer* answer, std::string* problem) {
  arguments.insert(arguments.begin(), {path, "-c", kProgram});
  const absl::StatusOr<ChildResult> result = RunChild(arguments, time_most, kOutputBytesMost);
  if (!result.ok()) {
    *problem = std::string(result.status().message());
  } else if (result->exit_code != 0) {
    *problem = HowItEnded(*result);
  } else if (!Parse(result->out, tasks, answer)) {
    const absl::string_view said = absl::StripAsciiWhitespace(result->out);
    *problem = absl::StrCat("gave no sensible answer, but '", OneLine(said.substr(0, 60)), "'");
  }
  return problem->empty();
}

std::optional<bool> HasLock(const Answer& answer) {
  if (answer.lock) return answer.lock;
  if (answer.implementation == "CPython" || answer.implementation == "PyPy") return true;
  if (answer.implementation == "Jython" || answer.implementation == "IronPython") return false;
  return std::nullopt;
}

std::string JsonOfArguments(const Workload& workload) {
  std::vector<std::string> tasks;
  for (size_t i = 0; i < workload.tasks; ++i) {
    const v1::Task task = workload.task(i);
    tasks.push_back(absl::StrCat(
        "[",
        absl::StrJoin(task.source().arguments(), ",",
                      [](std::string* text, const v1::Value& value) { absl::StrAppend(text, value.json()); }),
        "]"));
  }
  return absl::StrCat("[", absl::StrJoin(tasks, ","), "]");
}

std::vector<v1::Outcome> OutcomesOf(std::vector<std::string> results) {
  std::vector<v1::Outcome> outcomes(results.size());
  for (size_t i = 0; i < results.size(); ++i) outcomes[i].mutable_result()->set_json(std::move(results[i]));
  return outcomes;
}

}  // namespace

std::string Runtime::Name() const {
  const std::vector<std::string> numbers = absl::StrSplit(version, absl::MaxSplits('.', 2));
  const std::string name =
      absl::StrCat(numbers[0], numbers.size() > 1 ? absl::StrCat(".", numbers[1]) : "", free_threaded ? "t" : "");
  return implementation == "CPython" ? name : absl::StrCat(implementation, " ", name);
}

bool AskRuntime(const std::string& path, absl::Duration time_most, Runtime* runtime, Failure* failure) {
  Answer answer;
  std::string problem;
  if (!Ask(path, {"", "", "", "0", "[]"}, 0, time_most, &answer, &problem)) {
    *failure = {{absl::StrCat("--runtime ", OneLine(path), ": ", problem),
                 "name a Python interpreter by its path, such as $(command -v python3)"},
                kExitUsage};
    return false;
  }
  *runtime = {.path = path,
              .implementation = answer.implementation,
              .version = answer.version,
              .free_threaded = answer.free_threaded};
  return true;
}

bool RunInThreads(const Runtime& runtime, const Workload& workload, size_t threads, absl::Duration time_most,
                  RuntimeRun* run, Failure* failure) {
  const v1::Task task = workload.task(0);
  Answer answer;
  std::string complaint;
  if (Ask(runtime.path,
          {task.source().code(), task.source().entry(), workload.warm_up().source().entry(), absl::StrCat(threads),
           JsonOfArguments(workload)},
          workload.tasks, time_most, &answer, &complaint) &&
      answer.missing.empty()) {
    complaint = workload.check(OutcomesOf(std::move(answer.results)));
  }
  if (!complaint.empty()) {
    *failure = {{absl::StrCat("the demo failed: ", workload.title, ", ", OneLine(runtime.path), ": ", complaint),
                 "leave --runtime out, or name another"},
                kExitRaised};
    return false;
  }
  *run = {.wall = answer.wall.value_or(absl::ZeroDuration()), .lock = HasLock(answer), .missing = answer.missing};
  return true;
}

}  // namespace gild::cli
