// Workload: one lesson of `gild demo`: real tasks, and the check that what they returned is right.
//
// A Workload is a plain value whose functions may be called from one thread at a time; it keeps its inputs (the
// pictures, the slow server) alive. The same tasks run in either lane: the caller sets the tag.
//
//   Workload primes = PrimesWorkload(/*limit=*/2500000);
//   v1::Task task = primes.task(0);
//   std::string complaint = primes.check(outcomes);  // empty: all is right
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "client/cli/slow_http.h"
#include "gild/v1/task.pb.h"

namespace gild::cli {

inline constexpr absl::Duration kDemoPageDelay = absl::Milliseconds(50);
inline constexpr size_t kDemoUrls = 100;
inline constexpr size_t kDemoPictures = 50;  // distinct ones

struct Workload {
  std::string id;       // "urls": as in --only and --json
  std::string title;    // "download 100 URLs": as in the table
  std::string subject;  // "waiting for the network": as in the summary
  size_t tasks = 0;
  // Its tasks wait for the world: the I/O lane takes as many at a time as it has threads. Else as many as the CPU lane
  // gets, for more threads than cores only stand in line.
  bool waits = false;
  // Any Python has what its tasks need, or says what it lacks, and JSON holds their arguments and results: --runtime
  // runs them, too.
  bool anywhere = false;
  std::function<v1::Task(size_t index)> task;
  // Imports what the tasks import, runs their code once and then keeps its interpreter busy for a moment, so that as
  // many of them as there are interpreters reach them all.
  std::function<v1::Task()> warm_up;
  // Of all outcomes, in order of index, every one of which SUCCEEDED.
  std::function<std::string(const std::vector<v1::Outcome>&)> check;
};

// GETs every URL with http.client. `server` is kept alive when given, and its pages are checked.
Workload UrlsWorkload(std::vector<std::string> urls, std::shared_ptr<SlowHttp> server);

// Makes a 128x128 JPEG of every picture, with Pillow. The pictures take turns when there are fewer than `tasks`.
Workload ImagesWorkload(std::shared_ptr<const std::vector<std::string>> pictures, size_t tasks);

// Draws a 640x480 JPEG that compresses like a photograph, the same for the same index.
Workload PicturesWorkload(size_t pictures);

// Counts the primes up to `limit` in 8 parts, by trial division: bytecode and nothing else. REQUIRES: limit >= 2
Workload PrimesWorkload(int64_t limit);

// Integrates sin over [0, pi] in 8 parts, each by so many blocks of 100,000 points, with NumPy: C code that lets go of
// the lock. REQUIRES: blocks >= 1
Workload ArraysWorkload(int64_t blocks);

// By sieve: another method, in another language, so that agreement means something.
int64_t CountPrimes(int64_t limit);

}  // namespace gild::cli
