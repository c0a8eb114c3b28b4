// Requests and their owners: answered in the callback, later, from another thread, twice, too late, after the
// connector; or let go of without an answer, by whoever owns them last. What the cloud application then gets is its
// side's to check.
//
//   calls ENDPOINT_JSON CA_FILE     (ends when /finish is asked for)

#include <thread>

#include "check.hpp"

namespace {

using namespace std::chrono_literals;

struct Host {
  counter finished = COUNTER_INIT;
  counter cancelled = COUNTER_INIT;
  counter leaving = COUNTER_INIT;
  nbwss::Request late, left;
  std::thread answering;
  const nbwss_request *told = nullptr; // what the cancel callback was given; written before `cancelled` is raised
};

void check_accessors(const nbwss::Request &request) {
  CHECK(request.method() == "POST" && request.uri() == "/accessors?first=1&second=2");
  CHECK(request.host_name() == "cloud.example.com" && request.group_id() == "cloud" && request.id() == "accessors");
  CHECK(request.body() == R"({"a":"é"})" && request.is_wanted() && request.get() != nullptr);
  CHECK(request.header("X-First") == "one" && !request.header("x-none"));
  const auto headers = request.headers();
  CHECK(headers.size() == 2 && headers[0].name == "x-first" && headers[0].value == "one");
  CHECK(headers[1].name == "x-second" && headers[1].value == "two");
}

void on_request(Host &host, nbwss::Request request) {
  const std::string uri(request.uri());
  if (uri == "/dropped") return;
  if (uri == "/replaced") {
    // Assigning lets go of what was there.
    request = nbwss::Request();
    return;
  }
  if (uri == "/moved") {
    nbwss::Request moved = std::move(request);
    CHECK(request.get() == nullptr && request.uri().empty() && moved.uri() == uri);
    request = std::move(moved);
  } else if (uri == "/another-thread") {
    host.answering = std::thread([kept = std::move(request)]() mutable {
      CHECK_DONE(kept.respond({200, "from another thread"}));
      CHECK(kept.get() == nullptr && kept.uri().empty());
    });
    return;
  } else if (uri == "/late") {
    host.late = std::move(request);
    return;
  } else if (uri == "/answer-late") {
    // The cloud application has its 504.
    CHECK(counter_reaches(&host.cancelled, 1) && host.told == host.late.get() && !host.late.is_wanted());
    CHECK_FAILS(host.late.respond({}), NBWSS_EXPIRED);
  } else if (uri == "/left") {
    host.left = std::move(request);
    counter_raise(&host.leaving);
    return;
  } else if (uri == "/twice") {
    CHECK_DONE(request.respond({200, "once"}));
    CHECK_FAILS(request.respond({200, "twice"}), NBWSS_INVALID_ARGUMENT);
    CHECK_FAILS(request.fail(500, "twice"), NBWSS_INVALID_ARGUMENT);
    return;
  } else if (uri == "/refused") {
    CHECK_DONE(request.fail(418, "I'm a \"teapot\""));
    return;
  } else if (uri == "/headers") {
    CHECK_DONE(request.respond({202, "{}", {{"content-type", "application/json"}, {"X-Other", "1"}}}));
    return;
  } else if (uri == "/bad-header") {
    CHECK_FAILS(request.respond({200, "", {{"a b", ""}}}), NBWSS_INVALID_ARGUMENT);
    return;
  } else if (uri == "/without-body") {
    CHECK(request.body().data() == nullptr && request.headers().size() == 1);
    CHECK_DONE(request.respond({204}));
    return;
  } else if (uri != "/finish") {
    check_accessors(request);
  }
  if (uri == "/finish") CHECK(counter_reaches(&host.leaving, 1));
  CHECK_DONE(request.respond({200, "here"}));
  if (uri == "/finish") counter_raise(&host.finished);
}

} // namespace

int main(int argc, char **argv) {
  CHECK(argc == 3);
  Host host;
  const Captured captured;
  nbwss::Options options = nbwss::Options::create().value();
  CHECK_DONE(options.set("tls.caFile", argv[2]));
  CHECK_DONE(options.set("dispatch.policy", "allow * /**"));
  CHECK_DONE(options.set_int("dispatch.timeout", 1500));
  CHECK_DONE(options.on_request(
      [&host, captured](nbwss::Request request) { on_request(host, std::move(request)); }));
  CHECK_DONE(options.on_cancel([&host](const nbwss_request *request) {
    if (counter_value(&host.cancelled) == 0) host.told = request;
    counter_raise(&host.cancelled);
  }));
  nbwss::Connector made = nbwss::Connector::create(options).value();
  CHECK_DONE(made.endpoint_add_file(argv[1]));
  CHECK_DONE(made.start());
  // At work, it goes on with another owner.
  nbwss::Connector connector = std::move(made);
  options = nbwss::Options();
  CHECK(captured.held() == 1);
  CHECK(counter_reaches(&host.finished, 1));
  host.answering.join();
  CHECK_DONE(connector.destroy());
  CHECK(captured.held() == 0);
  // It outlives the connector, whose end has answered it, and is let go of with the host.
  CHECK(host.left.uri() == "/left" && !host.left.is_wanted());
  return 0;
}
