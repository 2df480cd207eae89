#include "server/service/monitor_service.h"

#include <string>
#include <utility>

#include "server/service/convert.h"

namespace gild {
namespace {

using V1 = v1::Monitor;

grpc::Status Later(const char* rpc) {
  return grpc::Status(grpc::StatusCode::UNIMPLEMENTED, std::string("Monitor.") + rpc + " comes in a later version");
}

}  // namespace

// The synchronous half: what is not there yet.
struct MonitorService::Rpcs : public V1::WithAsyncMethod_GetInfo<V1::WithAsyncMethod_GetStats<V1::Service>> {
  using Context = grpc::ServerContext;
  grpc::Status WatchStats(Context*, const v1::WatchStatsRequest*, grpc::ServerWriter<v1::Stats>*) override {
    return Later("WatchStats");
  }
  grpc::Status Trace(Context*, const v1::TraceRequest*, grpc::ServerWriter<v1::TraceReply>*) override {
    return Later("Trace");
  }
};

MonitorService::MonitorService(std::function<ServerInfo()> info, int64_t queue_capacity,
                               std::function<ServerSnapshot()> snapshot)
    : rpcs_(std::make_unique<Rpcs>()),
      get_info_{.wait = [this](auto... arguments) { rpcs_->RequestGetInfo(arguments...); },
                .answer =
                    [info = std::move(info), queue_capacity, snapshot](const v1::GetInfoRequest&, v1::Info* reply) {
                      *reply = ToWire(info(), snapshot().lanes, queue_capacity);
                      return grpc::Status::OK;
                    },
                .live = &live_},
      get_stats_{.wait = [this](auto... arguments) { rpcs_->RequestGetStats(arguments...); },
                 .answer =
                     [snapshot](const v1::GetStatsRequest&, v1::Stats* reply) {
                       *reply = ToWire(snapshot());
                       return grpc::Status::OK;
                     },
                 .live = &live_} {}

MonitorService::~MonitorService() = default;

grpc::Service* MonitorService::service() { return rpcs_.get(); }

void MonitorService::Start(const CompletionQueues& queues) {
  for (const auto& queue : queues.queues()) {
    UnaryCall<v1::GetInfoRequest, v1::Info>::Post(&get_info_, queue.get());
    UnaryCall<v1::GetStatsRequest, v1::Stats>::Post(&get_stats_, queue.get());
  }
}

}  // namespace gild
