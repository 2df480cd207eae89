// Health keeps the health service true: "" (all lanes), "gild.lane.io", "gild.lane.cpu".
//
// A lane is SERVING when it can run a task now and the server is not draining. Looked at every kHealthPeriodNs on the
// poller's thread; Check may be called from there or before the poller runs. Owns nothing.
//
//   Health health(rpc->health(), [&] { return snapshot(); });
//   health.Watch(&poller);  // REQUIRES: health outlives the poller's Run
#pragma once

#include <grpcpp/health_check_service_interface.h>

#include <functional>
#include <map>
#include <string>

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

  // Everything is NOT_SERVING until the first Check.
  Health(grpc::HealthCheckServiceInterface* service, std::function<Now()> now);

  void Watch(Poller* poller);
  void Check();

 private:
  void Set(const std::string& name, bool serving);

  grpc::HealthCheckServiceInterface* const service_;
  const std::function<Now()> now_;
  std::map<std::string, bool> set_;
};

}  // namespace gild
