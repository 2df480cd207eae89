// rates: no-op tasks a second from one client, by calls and by a stream, with so many outstanding.
//
// Prints one line of JSON: {"unary": tasks/s, "stream": tasks/s}. Run it against gild-server and against echo_server in
// turns, and take the ratio (rates.py). `gild bench` is the same load generator; this one asks echo_server, too, which
// has no GetInfo. Exits 1 when a task did not succeed.
//
//   rates ADDRESS TAG [OUTSTANDING [SECONDS]]      TAG: io or cpu; 64 and 2
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "client/bench/load.h"

namespace {

using gild::bench::Figures;

Figures Measure(gild::bench::LoadOptions options, gild::bench::Mode mode) {
  options.mode = mode;
  return gild::bench::Load(std::move(options)).Take();
}

bool AllSucceeded(const Figures& figures) {
  return figures.endings.count(gild::v1::SUCCEEDED) != 0 && figures.endings.at(gild::v1::SUCCEEDED) == figures.sent;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3 || (std::strcmp(argv[2], "io") != 0 && std::strcmp(argv[2], "cpu") != 0)) {
    std::fprintf(stderr, "usage: rates ADDRESS io|cpu [OUTSTANDING [SECONDS]]\n");
    return 2;
  }
  gild::bench::LoadOptions options;
  options.address = argv[1];
  options.outstanding = static_cast<size_t>(argc > 3 ? std::atoi(argv[3]) : 64);
  options.length_ns = static_cast<int64_t>((argc > 4 ? std::atof(argv[4]) : 2.0) * gild::bench::kNsPerSecond);
  options.warm_up_ns = gild::bench::kNsPerSecond / 10;
  gild::v1::Task task;
  task.set_tag(std::strcmp(argv[2], "io") == 0 ? gild::v1::IO : gild::v1::CPU);
  task.mutable_source()->set_code("pass");
  options.tasks = {task};
  const Figures unary = Measure(options, gild::bench::Mode::kUnary);
  const Figures stream = Measure(options, gild::bench::Mode::kStream);
  std::printf("{\"unary\": %.0f, \"stream\": %.0f}\n", unary.rate, stream.rate);
  return AllSucceeded(unary) && AllSucceeded(stream) ? 0 : 1;
}
