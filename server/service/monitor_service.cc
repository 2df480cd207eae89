#include "server/service/monitor_service.h"

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include <string>
#include <utility>

#include "gild/v1/monitor.grpc.pb.h"
#include "server/service/convert.h"

namespace gild {
namespace {

grpc::Status Later(const char* rpc) {
  return grpc::Status(grpc::StatusCode::UNIMPLEMENTED, std::string("Monitor.") + rpc + " comes in a later version");
}

}  // namespace

class MonitorService::Rpcs
    : public v1::Monitor::WithCallbackMethod_GetInfo<v1::Monitor::WithCallbackMethod_GetStats<v1::Monitor::Service>> {
 public:
  Rpcs(std::function<ServerInfo()> info, int64_t queue_capacity, std::function<ServerSnapshot()> snapshot)
      : info_(std::move(info)), queue_capacity_(queue_capacity), snapshot_(std::move(snapshot)) {}

  grpc::ServerUnaryReactor* GetInfo(grpc::CallbackServerContext* context, const v1::GetInfoRequest*,
                                    v1::Info* reply) override {
    *reply = ToWire(info_(), snapshot_().lanes, queue_capacity_);
    return Finish(context);
  }

  grpc::ServerUnaryReactor* GetStats(grpc::CallbackServerContext* context, const v1::GetStatsRequest*,
                                     v1::Stats* reply) override {
    *reply = ToWire(snapshot_());
    return Finish(context);
  }

  grpc::Status WatchStats(grpc::ServerContext*, const v1::WatchStatsRequest*, grpc::ServerWriter<v1::Stats>*) override {
    return Later("WatchStats");
  }
  grpc::Status Trace(grpc::ServerContext*, const v1::TraceRequest*, grpc::ServerWriter<v1::TraceReply>*) override {
    return Later("Trace");
  }

 private:
  static grpc::ServerUnaryReactor* Finish(grpc::CallbackServerContext* context) {
    grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }

  const std::function<ServerInfo()> info_;
  const int64_t queue_capacity_;
  const std::function<ServerSnapshot()> snapshot_;
};

MonitorService::MonitorService(std::function<ServerInfo()> info, int64_t queue_capacity,
                               std::function<ServerSnapshot()> snapshot)
    : rpcs_(std::make_unique<Rpcs>(std::move(info), queue_capacity, std::move(snapshot))) {}

MonitorService::~MonitorService() = default;

grpc::Service* MonitorService::service() { return rpcs_.get(); }

}  // namespace gild
