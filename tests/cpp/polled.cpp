// A host with an event loop: callbacks run when it polls, on its own thread, and may throw there, too.
//
//   polled ENDPOINT_JSON CA_FILE     (ends when /finish is asked for)

#include <poll.h>

#include <stdexcept>
#include <thread>

#include "check.hpp"

namespace {

using namespace std::chrono_literals;

nbwss::Options new_options(const char *ca_file, nbwss::ExceptionCallback on_exception) {
  nbwss::Options options = nbwss::Options::create(std::move(on_exception)).value();
  CHECK_DONE(options.set("tls.caFile", ca_file));
  CHECK_DONE(options.set("dispatch.policy", "allow * /**"));
  return options;
}

} // namespace

int main(int argc, char **argv) {
  CHECK(argc == 3);
  {
    nbwss::Connector unpolled = nbwss::Connector::create(new_options(argv[2], {})).value();
    CHECK_FAILS(unpolled.poll(0ms), NBWSS_ILLEGAL_STATE);
    CHECK_FAILS(unpolled.poll_fd(), NBWSS_ILLEGAL_STATE);
  }

  const std::thread::id here = std::this_thread::get_id();
  nbwss::Connector connector;
  std::size_t called = 0, thrown = 0;
  bool finished = false;
  nbwss::Options options = new_options(argv[2], [&](std::string_view callback, std::exception_ptr) {
    CHECK(callback == "on_request" && std::this_thread::get_id() == here);
    thrown++;
  });
  CHECK_DONE(options.set_bool("callbacks.poll", true));
  CHECK_DONE(options.on_event([&](const nbwss::Event &) {
    CHECK(std::this_thread::get_id() == here);
    called++;
  }));
  CHECK_DONE(options.on_request([&](nbwss::Request request) {
    CHECK(std::this_thread::get_id() == here);
    called++;
    if (request.uri() == "/throw") throw std::runtime_error("here");
    CHECK_FAILS(connector.poll(0ms), NBWSS_ILLEGAL_STATE);
    finished = request.uri() == "/finish";
    CHECK_DONE(request.respond({200}));
  }));
  connector = nbwss::Connector::create(options).value();
  CHECK_DONE(connector.endpoint_add_file(argv[1]));
  CHECK_DONE(connector.start());

  pollfd loop = {static_cast<int>(connector.poll_fd().value()), POLLIN, 0};
  std::size_t ran = 0;
  while (!finished) {
    CHECK(poll(&loop, 1, DEADLINE_MS) == 1);
    ran += connector.poll(0ms).value();
  }
  CHECK(ran >= called && thrown == 1); // more: reports that this host has no callback for
  called = 0;
  CHECK_DONE(connector.destroy()); // which tells of the session's end
  CHECK(called > 0);
  return 0;
}
