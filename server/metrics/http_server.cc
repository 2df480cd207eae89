#include "server/metrics/http_server.h"

#include <microhttpd.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <utility>

#include "server/base/address.h"
#include "server/base/errors.h"
#include "server/base/unique_fd.h"
#include "server/task/capacity.h"

namespace gild {
namespace {

constexpr unsigned kIdleSecondsMax = 10;
constexpr int kBacklog = 64;

absl::StatusOr<UniqueFd> Listen(const std::string& address) {
  const std::optional<HostPort> split = SplitHostPort(address);
  if (!split) return absl::InvalidArgumentError(address + ": not host:port");

  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int error = getaddrinfo(split->host.empty() ? nullptr : split->host.c_str(), split->port.c_str(), &hints, &found);
  if (error != 0) return absl::InvalidArgumentError(address + ": " + gai_strerror(error));
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> addresses(found, freeaddrinfo);

  absl::Status first_error;
  for (const addrinfo* each = addresses.get(); each != nullptr; each = each->ai_next) {
    UniqueFd fd(socket(each->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    const int one = 1;
    if (fd.valid() && setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) == 0 &&
        bind(fd.get(), each->ai_addr, each->ai_addrlen) == 0 && listen(fd.get(), kBacklog) == 0) {
      return fd;
    }
    if (first_error.ok()) first_error = ErrnoStatus(errno, "listen on " + address);
  }
  return first_error;
}

int PortOf(int fd) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  GILD_CHECK(getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0);
  return ntohs(address.ss_family == AF_INET6 ? reinterpret_cast<sockaddr_in6*>(&address)->sin6_port
                                             : reinterpret_cast<sockaddr_in*>(&address)->sin_port);
}

// libmicrohttpd calls it once for the headers and again for the body; the answer comes at the second call, since one at
// the first would close the connection under a client that still sends.
MHD_Result OnRequest(void* server, MHD_Connection* connection, const char* path, const char* method, const char*,
                     const char*, size_t* upload_bytes, void** per_request) {
  static int seen;
  if (*per_request == nullptr) {
    *per_request = &seen;
    return MHD_YES;
  }
  if (*upload_bytes != 0) {  // a body is read and dropped
    *upload_bytes = 0;
    return MHD_YES;
  }
  const HttpReply reply = static_cast<const HttpServer*>(server)->Answer(method, path);
  MHD_Response* const response =
      MHD_create_response_from_buffer(reply.body.size(), const_cast<char*>(reply.body.data()), MHD_RESPMEM_MUST_COPY);
  if (response == nullptr) return MHD_NO;
  MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, reply.content_type.c_str());
  if (reply.status == MHD_HTTP_METHOD_NOT_ALLOWED) MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
  const MHD_Result queued = MHD_queue_response(connection, reply.status, response);
  MHD_destroy_response(response);
  return queued;
}

}  // namespace

absl::StatusOr<std::unique_ptr<HttpServer>> HttpServer::Start(const std::string& address, Handlers handlers) {
  absl::StatusOr<UniqueFd> listener = Listen(address);
  if (!listener.ok()) return listener.status();
  std::unique_ptr<HttpServer> server(new HttpServer(std::move(handlers)));
  server->port_ = PortOf(listener->get());
  server->daemon_ = MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD, 0, nullptr, nullptr, &OnRequest, server.get(),
                                     MHD_OPTION_LISTEN_SOCKET, listener->get(), MHD_OPTION_CONNECTION_LIMIT,
                                     kHttpConnectionsMax, MHD_OPTION_CONNECTION_TIMEOUT, kIdleSecondsMax, MHD_OPTION_END);
  if (server->daemon_ == nullptr) return absl::InternalError("cannot start the HTTP thread on " + address);
  listener->release();  // the daemon closes it
  return server;
}

HttpServer::~HttpServer() {
  if (daemon_ != nullptr) MHD_stop_daemon(daemon_);
}

HttpReply HttpServer::Answer(const std::string& method, const std::string& path) const {
  const auto handler = handlers_.find(path);
  if (handler == handlers_.end()) {
    std::string known;
    for (const auto& [each, unused] : handlers_) known += " " + each;
    return {.status = 404, .body = "not found; there is" + known + "\n"};
  }
  // Of an answer to HEAD, libmicrohttpd sends the head.
  if (method != "GET" && method != "HEAD") return {.status = 405, .body = "only GET and HEAD\n"};
  return handler->second();
}

}  // namespace gild
