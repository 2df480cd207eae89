// fresh: what an interpreter of one's own costs, and how soon an interpreter that died has a successor.
//
// Prints one line of JSON, times in ms:
//   shared, fresh      round trips of a no-op in the CPU lane, in turns, the stock full each time (medians)
//   from_stock         from the end of a FRESH task until the next, which waited for it, began (median)
//   fresh_per_s        FRESH no-ops a second, eight outstanding
//   replaced           from the death of an idle interpreter until its successor was ready (median), as GetStats tells
//   fork               what a bare fork of such an interpreter takes until the child runs (median)
// Exits 1 when a task did not succeed. Beside a server with --cpu-interpreters 1 --fresh-stock 2 or more (from_stock
// needs two on a core), on this machine; sandbox.py is what calls it.
//
//   fresh ADDRESS [TURNS [SECONDS]]      60 and 3
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <future>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "client/cpp/client.h"
#include "client/cpp/durations.h"

namespace {

using Clock = std::chrono::steady_clock;

double MsSince(Clock::time_point since) {
  return std::chrono::duration<double, std::milli>(Clock::now() - since).count();
}
double Ms(const google::protobuf::Duration& duration) { return absl::ToDoubleMilliseconds(gild::FromProto(duration)); }

double Median(std::vector<double> values) {
  if (values.empty()) throw std::runtime_error("nothing was measured");
  std::nth_element(values.begin(), values.begin() + values.size() / 2, values.end());
  return values[values.size() / 2];
}

gild::v1::Task Noop(gild::v1::Isolation isolation) {
  gild::v1::Task task;
  task.set_tag(gild::v1::CPU);
  task.mutable_source()->set_code("pass");
  task.set_isolation(isolation);
  return task;
}

gild::v1::Outcome Checked(absl::StatusOr<gild::v1::Outcome> outcome) {
  if (!outcome.ok()) throw std::runtime_error(outcome.status().ToString());
  if (outcome->ending() != gild::v1::SUCCEEDED) throw std::runtime_error(outcome->DebugString());
  return *std::move(outcome);
}

// Who waits for a slot that is being refilled would measure something else.
void LetItRefill() { std::this_thread::sleep_for(std::chrono::milliseconds(40)); }

gild::v1::InterpreterStats Slot(gild::Client& client, const std::string& name) {
  const auto stats = client.GetStats();
  if (!stats.ok()) throw std::runtime_error(stats.status().ToString());
  for (const gild::v1::InterpreterStats& slot : stats->interpreters()) {
    if (slot.slot() == name) return slot;
  }
  throw std::runtime_error("there is no slot " + name);
}

double Replaced(gild::Client& client) {
  const gild::v1::InterpreterStats before = Slot(client, "cpu-0");
  if (kill(before.pid(), SIGKILL) != 0) throw std::runtime_error("cannot kill cpu-0: not on this machine?");
  while (true) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    const gild::v1::InterpreterStats now = Slot(client, "cpu-0");
    if (now.generation() > before.generation() && now.state() == gild::v1::InterpreterStats::READY) {
      return Ms(now.replaced_in());
    }
  }
}

// Of an interpreter that may: it is a copy of the same zygote.
double Fork(gild::Client& client) {
  gild::v1::Task task = Noop(gild::v1::FRESH);
  task.set_allow_subprocess(true);
  task.mutable_source()->set_code(
      "import mmap, os, struct, time\n"
      "def fork():\n"
      "    page = mmap.mmap(-1, 4096)\n"
      "    begin = time.monotonic_ns()\n"
      "    child = os.fork()\n"
      "    if child == 0:\n"
      "        page[:8] = struct.pack('q', time.monotonic_ns())\n"
      "        os._exit(0)\n"
      "    os.waitpid(child, 0)\n"
      "    return (struct.unpack('q', page[:8])[0] - begin) / 1e6\n");
  task.mutable_source()->set_entry("fork");
  return std::strtod(Checked(client.Run(task)).result().json().c_str(), nullptr);
}

double FromStock(gild::Client& client) {
  std::promise<void> both;
  std::vector<absl::StatusOr<gild::v1::Outcome>> answers;
  // Callbacks come one at a time.
  const auto done = [&](absl::StatusOr<const gild::v1::Outcome*> outcome) {
    answers.push_back(gild::CopyOf(outcome));
    if (answers.size() == 2) both.set_value();
  };
  client.RunAsync(Noop(gild::v1::FRESH), done);
  client.RunAsync(Noop(gild::v1::FRESH), done);
  both.get_future().wait();
  std::vector<gild::v1::Outcome> outcomes;
  for (absl::StatusOr<gild::v1::Outcome>& answer : answers) outcomes.push_back(Checked(std::move(answer)));
  // What the second waited for, less what the first took.
  const auto begun = [](const gild::v1::Outcome& o) { return Ms(o.usage().queue()) + Ms(o.usage().dispatch()); };
  const auto& [first, second] =
      std::minmax(outcomes.at(0), outcomes.at(1), [&](const auto& a, const auto& b) { return begun(a) < begun(b); });
  return begun(second) - begun(first) - Ms(first.usage().run());
}

double FreshPerSecond(gild::Client& client, double seconds) {
  std::deque<std::future<void>> outstanding;
  const Clock::time_point begin = Clock::now();
  int ended = 0;
  while (MsSince(begin) < seconds * 1000) {
    while (outstanding.size() < 8) {
      auto done = std::make_shared<std::promise<void>>();
      outstanding.push_back(done->get_future());
      client.RunAsync(Noop(gild::v1::FRESH), [done](absl::StatusOr<const gild::v1::Outcome*> outcome) {
        if (outcome.ok() && (*outcome)->ending() == gild::v1::SUCCEEDED) {
          done->set_value();
        } else {
          done->set_exception(std::make_exception_ptr(
              std::runtime_error(outcome.ok() ? (*outcome)->DebugString() : outcome.status().ToString())));
        }
      });
    }
    outstanding.front().get();
    outstanding.pop_front();
    ++ended;
  }
  const double rate = ended / (MsSince(begin) / 1000);
  for (std::future<void>& rest : outstanding) rest.get();
  return rate;
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc < 2) {
    std::fprintf(stderr, "usage: fresh ADDRESS [TURNS [SECONDS]]\n");
    return 2;
  }
  const int turns = argc > 2 ? std::atoi(argv[2]) : 60;
  const double seconds = argc > 3 ? std::atof(argv[3]) : 3;
  gild::Client client(argv[1]);
  std::vector<double> shared, fresh, from_stock, replaced, forks;
  const auto round_trip = [&client](gild::v1::Isolation isolation) {
    const Clock::time_point begin = Clock::now();
    Checked(client.Run(Noop(isolation)));
    return MsSince(begin);
  };
  for (int turn = 0; turn < turns; ++turn) {
    shared.push_back(round_trip(gild::v1::SHARED));
    LetItRefill();
    fresh.push_back(round_trip(gild::v1::FRESH));
    LetItRefill();
    from_stock.push_back(FromStock(client));
    LetItRefill();
    replaced.push_back(Replaced(client));
    forks.push_back(Fork(client));
    LetItRefill();
  }
  const double rate = FreshPerSecond(client, seconds);
  std::printf(
      "{\"shared\": %.4f, \"fresh\": %.4f, \"from_stock\": %.4f, \"fresh_per_s\": %.1f, \"replaced\": %.4f, \"fork\": "
      "%.4f}\n",
      Median(shared), Median(fresh), Median(from_stock), rate, Median(replaced), Median(forks));
  return 0;
} catch (const std::runtime_error& error) {
  std::fprintf(stderr, "fresh: %s\n", error.what());
  return 1;
}
