// Health keeps the health service true: "" (all lanes), "gild.lane.io", "gild.lane.cpu".
//
// A lane is SERVING when it can run a task now and the server is not draining. Looked at every kHealthPeriodNs on the
// poller's thread; Check may be called from there or before the poller runs. Owns nothing.
//
//   Health health([&](const std::string& name, bool serving) { rpc->health()->Set(name, serving); }, now);
//   health.Watch(&poller);  // REQUIRES: health outlives the poller's Run
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "server/base/clock.h"
#include "server/base/poller.h"
#include "server/task/task.h"

namespace gild {

inline constexpr int64_t kHealthPeriodNs = 100 * kNsPerMs;

class Health {
 public:
  struct Now {
    bool draining = false;
    std::map<LaneKind, bool> serving;
  };

  // What a health service is told.
  using Setter = std::function<void(const std::string& name, bool serving)>;

  // All that is ever set; not serving until the first Check.
  static std::vector<std::string> Names();

  Health(Setter setter, std::function<Now()> now);

  void Watch(Poller* poller);
  void Check();

 private:
  void Set(const std::string& name, bool serving);

  const Setter setter_;
  const std::function<Now()> now_;
  std::map<std::string, bool> set_;
};

}  // namespace gild
