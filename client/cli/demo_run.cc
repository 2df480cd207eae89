#include "client/cli/demo_run.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "client/cli/batch.h"
#include "client/cli/exit_code.h"
#include "client/cli/words.h"

namespace gild::cli {
namespace {

std::string HintFor(const v1::Outcome& outcome) {
  const std::string& type = outcome.error().type();
  if (type == "ModuleNotFoundError")
    return "install it where the server runs: apt-get install python3-pil python3-numpy";
  if (type == "ConnectionRefusedError") {
    return "the demo's pages are on this machine's loopback: run it where the server runs, or give --url-file";
  }
  return Explain(outcome, "").hint;
}

Failure FailureOf(const std::string& title, const v1::Outcome& outcome) {
  std::string what = Explain(outcome, outcome.error().message()).cause;
  if (outcome.has_error()) {
    // SyntaxError's message may span lines; the first says it.
    what = absl::StrCat(EndingWord(outcome.ending()), ", ", OneLine(outcome.error().type()), ": ",
                        OneLine(outcome.error().message()));
  } else if (what.empty()) {
    what = EndingWord(outcome.ending());
  }
  return {{absl::StrCat("the demo failed: ", title, ": a task ended as ", what), HintFor(outcome)}, kExitRaised};
}

}  // namespace

bool RunWorkload(Client* client, const std::string& address, const Workload& workload, v1::Tag tag, size_t outstanding,
                 const Terminal& terminal, const std::string& label, WorkloadRun* run, Failure* failure) {
  run->outcomes.resize(workload.tasks);
  Batch batch = {.tasks = workload.tasks, .outstanding = outstanding, .label = label};
  batch.task = [&](size_t index) {
    v1::Task task = workload.task(index);
    task.set_tag(tag);
    return task;
  };
  batch.keep = [run](size_t index, v1::Outcome outcome) { run->outcomes[index] = std::move(outcome); };
  BatchFailure what;
  const std::optional<absl::Duration> wall = RunBatch(client, batch, terminal, &what);
  if (!wall) {
    *failure = what.status.ok() ? FailureOf(workload.title, what.outcome) : FailureOf(what.status, address);
    return false;
  }
  run->wall = *wall;
  const std::string complaint = workload.check(run->outcomes);
  if (complaint.empty()) return true;
  *failure = {{absl::StrCat("the demo failed: ", workload.title, ": ", complaint), ""}, kExitRaised};
  return false;
}

bool WarmUp(Client* client, const std::string& address, const Workload& workload, v1::Tag tag, size_t times,
            const Terminal& terminal, Failure* failure) {
  Workload warm_up = workload;
  warm_up.tasks = times;
  warm_up.task = [&workload](size_t) { return workload.warm_up(); };
  warm_up.check = [](const std::vector<v1::Outcome>&) { return std::string(); };
  WorkloadRun run;
  return RunWorkload(client, address, warm_up, tag, times, terminal, workload.title + ", warming up", &run, failure);
}

bool DrawPictures(Client* client, const std::string& address, size_t count, size_t outstanding,
                  const Terminal& terminal, std::vector<std::string>* pictures, Failure* failure) {
  WorkloadRun drawn;
  if (!RunWorkload(client, address, PicturesWorkload(count), v1::CPU, outstanding, terminal, "drawing the pictures",
                   &drawn, failure)) {
    return false;
  }
  for (v1::Outcome& outcome : drawn.outcomes) {
    pictures->push_back(std::move(*outcome.mutable_result()->mutable_raw()));
  }
  return true;
}

}  // namespace gild::cli
