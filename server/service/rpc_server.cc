#include "server/service/rpc_server.h"

#include <grpc/impl/codegen/grpc_types.h>
#include <grpc/support/log.h>
#include <grpcpp/ext/channelz_service_plugin.h>
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server_builder.h>
#include <netdb.h>
#include <sys/socket.h>

#include <cerrno>
#include <chrono>
#include <mutex>
#include <utility>

#include "absl/time/time.h"
#include "server/base/address.h"
#include "server/base/errors.h"
#include "server/base/log.h"
#include "server/base/unique_fd.h"
#include "server/service/health.h"
#include "server/task/capacity.h"

namespace gild {
namespace {

constexpr int kHttp2FrameBytesMax = 1 << 20;
// A peer that answers no ping for so long is gone, and its tasks are stopped.
constexpr int kKeepaliveMs = 30'000;
constexpr int kKeepaliveTimeoutMs = 10'000;
// Clients may ping as often as this, also while they have no call.
constexpr int kPingIntervalMinMs = 10'000;
// At the very end, after the drain's own grace: for replies on their way out, then for everything else (a health watch
// has no end of its own, a client that does not read is not waited for).
constexpr absl::Duration kLastReplies = absl::Seconds(1);
constexpr auto kLastCalls = std::chrono::milliseconds(100);

// gRPC's own log lines are for its developers; ours say what happened.
void QuietGrpc() {
  static std::once_flag once;
  std::call_once(once, [] {
    gpr_set_log_function([](gpr_log_func_args* args) {
      if (args->severity == GPR_LOG_SEVERITY_ERROR) LogInfo("grpc", {{"text", args->message}});
    });
  });
}

void SetOptions(grpc::ServerBuilder* builder) {
  builder->SetMaxReceiveMessageSize(kMessageBytesMax);
  builder->SetMaxSendMessageSize(kMessageBytesMax);
  // Else two servers could share a port without a word, each getting some of the calls.
  builder->AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  // An image is one frame, not four: less to do for each. (Ours to say: it is what the other side may send.)
  builder->AddChannelArgument(GRPC_ARG_HTTP2_MAX_FRAME_SIZE, kHttp2FrameBytesMax);
  builder->AddChannelArgument(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, kHttp2FrameBytesMax);
  builder->AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, kStreamsPerConnectionMax);
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveMs);
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepaliveTimeoutMs);
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder->AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, kPingIntervalMinMs);
  // The synchronous part only says UNIMPLEMENTED, and serves reflection and channelz.
  builder->SetSyncServerOption(grpc::ServerBuilder::SyncServerOption::NUM_CQS, 1);
  builder->SetSyncServerOption(grpc::ServerBuilder::SyncServerOption::MIN_POLLERS, 1);
  builder->SetSyncServerOption(grpc::ServerBuilder::SyncServerOption::MAX_POLLERS, 2);
}

// gRPC says only that it could not listen; the kernel says why.
absl::Status WhyNotListening(const std::string& address) {
  const std::string what = "listen on " + address;
  const absl::Status unknown = absl::InvalidArgumentError(what + ": not an address of this machine");
  const std::optional<HostPort> split = SplitHostPort(address);
  if (!split) return unknown;
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  if (getaddrinfo(split->host.empty() ? nullptr : split->host.c_str(), split->port.c_str(), &hints, &found) != 0) {
    return unknown;
  }
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> addresses(found, freeaddrinfo);
  const UniqueFd fd(socket(addresses->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int one = 1;
  (void)setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (bind(fd.get(), addresses->ai_addr, addresses->ai_addrlen) == 0 && listen(fd.get(), 1) == 0) return unknown;
  return ErrnoStatus(errno, what);
}

}  // namespace

RpcServer::RpcServer(const Options& options, Scheduler* scheduler, Metrics* metrics, std::function<ServerInfo()> info,
                     std::function<ServerSnapshot()> snapshot, Poller* poller)
    : executor_(scheduler, poller, metrics, options.unread_bytes_max, options.task_memory_bytes_max),
      monitor_(std::move(info), options.queue_capacity, std::move(snapshot), poller),
      health_(Health::Names()) {}

absl::StatusOr<std::unique_ptr<RpcServer>> RpcServer::Start(const Options& options, Scheduler* scheduler,
                                                            Metrics* metrics, std::function<ServerInfo()> info,
                                                            std::function<ServerSnapshot()> snapshot, Poller* poller) {
  QuietGrpc();
  static std::once_flag once;  // both apply to every builder of the process
  std::call_once(once, [] {
    grpc::reflection::InitProtoReflectionServerBuilderPlugin();
    grpc::channelz::experimental::InitChannelzService();
  });

  std::unique_ptr<RpcServer> made(
      new RpcServer(options, scheduler, metrics, std::move(info), std::move(snapshot), poller));
  grpc::ServerBuilder builder;
  SetOptions(&builder);
  builder.AddListeningPort(options.listen, grpc::InsecureServerCredentials(), &made->port_);
  builder.RegisterService(made->executor_.service());
  builder.RegisterService(made->monitor_.service());
  builder.RegisterService(made->health_.service());
  made->queues_ = std::make_unique<CompletionQueues>(&builder, options.threads);
  made->server_ = builder.BuildAndStart();
  if (made->server_ == nullptr) return WhyNotListening(options.listen);
  if (!SplitHostPort(options.listen)) made->port_ = 0;  // gRPC says 1 of a unix socket
  made->queues_->Start();
  return made;
}

void RpcServer::Open() {
  executor_.Start(*queues_);
  monitor_.Start(*queues_);
  health_.Start(*queues_);
}

RpcServer::~RpcServer() { Shutdown(); }

void RpcServer::Shutdown() {
  if (server_ == nullptr || shut_down_) return;
  shut_down_ = true;
  executor_.AwaitNoneInFlight(kLastReplies);
  executor_.StopPosting();
  monitor_.StopPosting();
  health_.StopPosting();
  server_->Shutdown(std::chrono::system_clock::now() + kLastCalls);
  executor_.AwaitNoCalls();
  monitor_.AwaitNoCalls();
  health_.AwaitNoCalls();
  queues_->Shutdown();
}

}  // namespace gild
