#include "client/cli/slow_http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <pthread.h>
#include <string.h>

#include <algorithm>
#include <vector>

#include "absl/memory/memory.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace gild::cli {
namespace {

constexpr unsigned kConnectionsMax = 1000;  // select-free, but a process has 1024 descriptors unless told otherwise
constexpr unsigned kBacklog = 1024;

std::string MakeBody() {
  std::string body = "<!doctype html><title>a page from far away</title>\n";
  while (body.size() < SlowHttp::kBodyBytes) body += "<p>It waited on the wire, not on a lock.</p>\n";
  body.resize(SlowHttp::kBodyBytes);
  return body;
}

}  // namespace

struct SlowHttp::Glue {
  static MHD_Result Handle(void* self, MHD_Connection* connection, const char*, const char* method, const char*,
                           const char*, size_t* upload_bytes, void** state) {
    auto* server = static_cast<SlowHttp*>(self);
    auto* asked = static_cast<Asked*>(*state);
    if (asked == nullptr) {
      asked = new Asked{Clock::now()};
      *state = asked;
      if (strcmp(method, MHD_HTTP_METHOD_GET) != 0) return MHD_NO;
      if (server->LetWait(connection, asked->at)) return MHD_YES;
    }
    *upload_bytes = 0;
    // The body outlives the daemon: no copy.
    MHD_Response* response = MHD_create_response_from_buffer(
        server->body_.size(), const_cast<char*>(server->body_.data()), MHD_RESPMEM_PERSISTENT);
    if (response == nullptr) return MHD_NO;
    MHD_add_response_header(response, "Content-Type", "text/html");
    server->CountAnswer(asked->at);
    const MHD_Result result = MHD_queue_response(connection, MHD_HTTP_OK, response);
    MHD_destroy_response(response);
    return result;
  }

  static void Completed(void*, MHD_Connection*, void** state, MHD_RequestTerminationCode) {
    delete static_cast<Asked*>(*state);
    *state = nullptr;
  }
};

SlowHttp::SlowHttp(absl::Duration delay)
    : delay_(std::chrono::nanoseconds(absl::ToInt64Nanoseconds(delay))), body_(MakeBody()) {}

absl::StatusOr<std::unique_ptr<SlowHttp>> SlowHttp::Start(absl::Duration delay) {
  auto server = absl::WrapUnique(new SlowHttp(delay));
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  server->daemon_ = MHD_start_daemon(
      MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_SUPPRESS_DATE_NO_CLOCK, 0, nullptr, nullptr,
      &Glue::Handle, server.get(), MHD_OPTION_SOCK_ADDR, reinterpret_cast<sockaddr*>(&address),
      MHD_OPTION_NOTIFY_COMPLETED, &Glue::Completed, nullptr, MHD_OPTION_CONNECTION_LIMIT, kConnectionsMax,
      MHD_OPTION_LISTEN_BACKLOG_SIZE, kBacklog, MHD_OPTION_CONNECTION_TIMEOUT, 30u, MHD_OPTION_END);
  if (server->daemon_ == nullptr) {
    return absl::UnavailableError(absl::StrCat("the slow HTTP server did not start: ", strerror(errno)));
  }
  const MHD_DaemonInfo* info = MHD_get_daemon_info(server->daemon_, MHD_DAEMON_INFO_BIND_PORT);
  if (info == nullptr || info->port == 0) return absl::InternalError("the slow HTTP server has no port");
  server->port_ = info->port;
  server->timer_ = std::thread([self = server.get()] { self->ResumeWhenDue(); });
  pthread_setname_np(server->timer_.native_handle(), "slow-http-timer");
  return server;
}

SlowHttp::~SlowHttp() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  // The timer resumes what waits; libmicrohttpd must not be stopped with a suspended connection.
  if (timer_.joinable()) timer_.join();
  if (daemon_ != nullptr) MHD_stop_daemon(daemon_);
}

std::string SlowHttp::Url(size_t page) const { return absl::StrCat("http://127.0.0.1:", port_, "/page/", page); }

SlowHttp::Counts SlowHttp::counts() const {
  absl::MutexLock lock(&mutex_);
  return counts_;
}

bool SlowHttp::LetWait(MHD_Connection* connection, Clock::time_point asked) {
  absl::MutexLock lock(&mutex_);
  if (stopping_) return false;
  MHD_suspend_connection(connection);
  waiting_.push_back({asked + delay_, connection});
  counts_.waiting_most = std::max(counts_.waiting_most, waiting_.size());
  return true;
}

void SlowHttp::CountAnswer(Clock::time_point asked) {
  const absl::Duration delay = absl::FromChrono(Clock::now() - asked);
  absl::MutexLock lock(&mutex_);
  ++counts_.answered;
  counts_.shortest_delay = std::min(counts_.shortest_delay, delay);
}

void SlowHttp::ResumeWhenDue() {
  for (;;) {
    std::vector<MHD_Connection*> due;
    bool stopping = false;
    {
      absl::MutexLock lock(&mutex_);
      mutex_.Await(absl::Condition(this, &SlowHttp::SomethingToDo));
      if (!waiting_.empty()) {
        mutex_.AwaitWithTimeout(absl::Condition(&stopping_), absl::FromChrono(waiting_.front().due - Clock::now()));
      }
      stopping = stopping_;
      const Clock::time_point now = Clock::now();
      while (!waiting_.empty() && (stopping || waiting_.front().due <= now)) {
        due.push_back(waiting_.front().connection);
        waiting_.pop_front();
      }
    }
    for (MHD_Connection* connection : due) MHD_resume_connection(connection);
    if (stopping) return;
  }
}

}  // namespace gild::cli
