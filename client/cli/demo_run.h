// RunWorkload: all tasks of a workload through one client, a bounded number of them under way at a time.
//
// Call it from one thread; it blocks until the last reply. It owns nothing: client, workload and terminal must outlive
// it. The first failure stops the submitting, cancels what is under way and is the one that is reported.
//
//   WorkloadRun run;
//   Failure failure;
//   if (!RunWorkload(&client, "127.0.0.1:50051", primes, v1::CPU, 8, terminal, "primes", &run, &failure)) {
//     return Tell(failure, terminal);
//   }
#pragma once

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "client/cli/demo_workload.h"
#include "client/cli/failure.h"
#include "client/cli/terminal.h"
#include "client/cpp/client.h"

namespace gild::cli {

struct WorkloadRun {
  // From the first submit to the last reply, by a monotonic clock.
  absl::Duration wall;
  // In order of index.
  std::vector<v1::Outcome> outcomes;
};

// REQUIRES: outstanding > 0
bool RunWorkload(Client* client, const std::string& address, const Workload& workload, v1::Tag tag, size_t outstanding,
                 const Terminal& terminal, const std::string& label, WorkloadRun* run, Failure* failure);

// The workload's warm-up task, so often, all at once.
bool WarmUp(Client* client, const std::string& address, const Workload& workload, v1::Tag tag, size_t times,
            const Terminal& terminal, Failure* failure);

// The pictures that ImagesWorkload shrinks, drawn by tasks of the CPU lane.
bool DrawPictures(Client* client, const std::string& address, size_t count, size_t outstanding,
                  const Terminal& terminal, std::vector<std::string>* pictures, Failure* failure);

}  // namespace gild::cli
