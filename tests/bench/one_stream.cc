// one_stream: a million no-op tasks through one RunStream, and what the memory of both sides does meanwhile.
//
// Prints a line for each tenth, with the resident memory of this process and of the server, and the tasks per second;
// last, by how much each grew from the first tenth to the last. Exits 1 when a task did not succeed.
//
//   one_stream ADDRESS SERVER_PID [TASKS [WINDOW]]      1000000 and 256; /proc/SERVER_PID must be readable here
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>

#include "client/cpp/client.h"

namespace {

// proc(5): the second figure of statm, in pages.
double ResidentMib(const std::string& pid) {
  std::ifstream statm("/proc/" + pid + "/statm");
  int64_t pages = 0, resident = 0;
  statm >> pages >> resident;
  return static_cast<double>(resident) * static_cast<double>(sysconf(_SC_PAGESIZE)) / (1 << 20);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr, "usage: one_stream ADDRESS SERVER_PID [TASKS [WINDOW]]\n");
    return 2;
  }
  const std::string server = argv[2];
  const int tasks = argc > 3 ? std::atoi(argv[3]) : 1'000'000;
  const size_t window = argc > 4 ? static_cast<size_t>(std::atoi(argv[4])) : 256;

  gild::Client client(argv[1]);
  const auto stream = client.OpenStream({.window = window});
  gild::v1::Task task;
  task.set_tag(gild::v1::CPU);
  task.mutable_source()->set_code("pass");

  std::atomic<int> failed = 0;
  double first_client = 0, first_server = 0;
  auto since = std::chrono::steady_clock::now();
  for (int i = 1; i <= tasks; ++i) {
    const auto sent = stream->Run(task, [&failed](absl::StatusOr<const gild::v1::Outcome*> outcome) {
      if (!outcome.ok() || (*outcome)->ending() != gild::v1::SUCCEEDED) ++failed;
    });
    if (!sent.ok()) break;
    if (tasks < 10 || i % (tasks / 10) != 0) continue;
    const auto now = std::chrono::steady_clock::now();
    const double rate = tasks / 10.0 / std::chrono::duration<double>(now - since).count();
    since = now;
    const double mine = ResidentMib("self"), its = ResidentMib(server);
    if (first_client == 0) first_client = mine, first_server = its;
    std::printf("%8d tasks  client %7.1f MiB  server %7.1f MiB  %8.0f tasks/s\n", i, mine, its, rate);
    std::fflush(stdout);
  }
  const absl::Status status = stream->Finish();
  std::printf("client %+.1f MiB, server %+.1f MiB since the first tenth; %d did not succeed; stream: %s\n",
              ResidentMib("self") - first_client, ResidentMib(server) - first_server, failed.load(),
              status.ToString().c_str());
  return status.ok() && failed == 0 ? 0 : 1;
}
