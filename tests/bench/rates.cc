// rates: no-op tasks a second from one client, by calls and by a stream, with so many in flight.
//
// Prints one line of JSON: {"unary": tasks/s, "stream": tasks/s}. Run it against gild-server and against echo_server in
// turns, and take the ratio (rates.py). Exits 1 when a task did not succeed.
//
//   rates ADDRESS TAG [OUTSTANDING [SECONDS]]      TAG: io or cpu; 64 and 2
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "client/cpp/client.h"

namespace {

struct Figure {
  double rate = 0;
  int failed = 0;
};

bool Succeeded(const absl::StatusOr<gild::v1::Outcome>& outcome) {
  return outcome.ok() && outcome->ending() == gild::v1::SUCCEEDED;
}

Figure Unary(gild::Client* client, const gild::v1::Task& task, int outstanding, absl::Duration length) {
  absl::Mutex mutex;
  int free = outstanding, ended = 0, failed = 0;
  const auto has_room = [&free] { return free > 0; };
  const auto all_ended = [&] { return free == outstanding; };
  const absl::Time begin = absl::Now();
  while (absl::Now() < begin + length) {
    {
      absl::MutexLock lock(&mutex);
      mutex.Await(absl::Condition(&has_room));
      --free;
    }
    client->RunAsync(task, [&](absl::StatusOr<gild::v1::Outcome> outcome) {
      absl::MutexLock lock(&mutex);
      ++free;
      ++ended;
      failed += Succeeded(outcome) ? 0 : 1;
    });
  }
  absl::MutexLock lock(&mutex);
  mutex.Await(absl::Condition(&all_ended));
  return {ended / absl::ToDoubleSeconds(absl::Now() - begin), failed};
}

Figure Stream(gild::Client* client, const gild::v1::Task& task, int outstanding, absl::Duration length) {
  std::atomic<int> ended = 0, failed = 0;
  const auto stream = client->OpenStream({.window = static_cast<size_t>(outstanding)});
  const absl::Time begin = absl::Now();
  while (absl::Now() < begin + length) {
    const auto sent = stream->Run(task, [&](absl::StatusOr<gild::v1::Outcome> outcome) {
      ++ended;
      failed += Succeeded(outcome) ? 0 : 1;
    });
    if (!sent.ok()) break;
  }
  if (!stream->Finish().ok()) ++failed;
  return {ended / absl::ToDoubleSeconds(absl::Now() - begin), failed};
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3 || (std::strcmp(argv[2], "io") != 0 && std::strcmp(argv[2], "cpu") != 0)) {
    std::fprintf(stderr, "usage: rates ADDRESS io|cpu [OUTSTANDING [SECONDS]]\n");
    return 2;
  }
  const int outstanding = argc > 3 ? std::atoi(argv[3]) : 64;
  const absl::Duration length = absl::Seconds(argc > 4 ? std::atof(argv[4]) : 2.0);
  gild::Client client(argv[1]);
  gild::v1::Task task;
  task.set_tag(std::strcmp(argv[2], "io") == 0 ? gild::v1::IO : gild::v1::CPU);
  task.mutable_source()->set_code("pass");
  const Figure unary = Unary(&client, task, outstanding, length);
  const Figure stream = Stream(&client, task, outstanding, length);
  std::printf("{\"unary\": %.0f, \"stream\": %.0f}\n", unary.rate, stream.rate);
  return unary.failed + stream.failed == 0 ? 0 : 1;
}
