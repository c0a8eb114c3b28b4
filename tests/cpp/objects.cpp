// What needs no cloud application: objects are moved and never copied, an empty one is refused everywhere, a failure is
// never taken for a value, and a callback with what it has captured goes exactly once, when nobody needs it any more.
// The same with exceptions and without.
//
//   objects SCRATCH_DIRECTORY
//   objects                    (takes the value of a failure, which must end it)

#include <algorithm>
#include <fstream>
#include <type_traits>

#include "check.hpp"

namespace {

using namespace std::chrono_literals;

template <class Object> constexpr bool is_moved_only() {
  return std::is_nothrow_move_constructible_v<Object> && std::is_nothrow_move_assignable_v<Object> &&
         !std::is_copy_constructible_v<Object> && !std::is_copy_assignable_v<Object>;
}
static_assert(is_moved_only<nbwss::Options>());
static_assert(is_moved_only<nbwss::Connector>());
static_assert(is_moved_only<nbwss::Request>());
static_assert(is_moved_only<nbwss::Endpoints>());
static_assert(is_moved_only<nbwss::Inspection>());
// A handle is taken over by name only.
static_assert(!std::is_convertible_v<nbwss_request *, nbwss::Request>);

nbwss::Options new_options() { return nbwss::Options::create().value(); }

void results() {
  nbwss::Options options = new_options();
  nbwss::Result<void> done = options.set("log.level", "debug");
  CHECK(done && done.status() == NBWSS_OK && done.message().empty());
  done.value();

  nbwss::Result<void> failed = options.set("no.such.key", "1");
  CHECK(!failed && failed.status() == NBWSS_UNKNOWN_KEY && contains(failed.message(), "no.such.key"));
  // The words are its own: later failures change nothing.
  CHECK_FAILS(options.set("another.key", "1"), NBWSS_UNKNOWN_KEY);
  CHECK(contains(failed.message(), "no.such.key"));

  nbwss::Result<nbwss::Connector> made = nbwss::Connector::create(options);
  CHECK(made && made->get() != nullptr && (*made).get() == made.value().get());
  nbwss::Connector connector = std::move(made).value();
  CHECK(connector.get() != nullptr && made->get() == nullptr);

  CHECK(nbwss::version() == NBWSS_VERSION && nbwss::status_name(NBWSS_TIMEOUT) == "NBWSS_TIMEOUT");

#ifdef __cpp_exceptions
  // Whichever way the value is asked for.
  nbwss::Result<nbwss::Connector> none = nbwss::Connector::create(nbwss::Options());
  const auto throws = [&](auto take) {
    try {
      take();
    } catch (const std::exception &caught) {
      const auto &error = dynamic_cast<const nbwss::Error &>(caught);
      return error.status() == NBWSS_INVALID_ARGUMENT && none.message() == error.what();
    }
    return false;
  };
  CHECK(throws([&] { none.value(); }) && throws([&] { *none; }) && throws([&] { (void)none->get(); }));
  CHECK(throws([&] { std::as_const(none).value(); }) && throws([&] { *std::as_const(none); }));
  CHECK(throws([&] { std::move(none).value(); }) && throws([&] { *std::move(none); }));
#endif
}

// Every member of what was moved from, destroyed or never filled is refused with a status or reads as empty.
void empty_objects() {
  nbwss::Options options;
  nbwss::Options filled = new_options();
  options = std::move(filled);
  CHECK_DONE(options.set("log.level", "info"));
  CHECK_FAILS(filled.set("log.level", "info"), NBWSS_INVALID_ARGUMENT);
  CHECK_FAILS(filled.on_request([](nbwss::Request) {}), NBWSS_INVALID_ARGUMENT);
  CHECK_FAILS(nbwss::Connector::create(filled), NBWSS_INVALID_ARGUMENT);

  nbwss::Connector connector = nbwss::Connector::create(options).value();
  nbwss::Connector moved = std::move(connector);
  CHECK_FAILS(connector.start(), NBWSS_INVALID_ARGUMENT);
  CHECK_FAILS(connector.endpoint_list(), NBWSS_INVALID_ARGUMENT);
  CHECK_DONE(connector.destroy()); // nothing to do
  CHECK_DONE(moved.destroy());
  CHECK(moved.get() == nullptr);
  CHECK_FAILS(moved.stats(), NBWSS_INVALID_ARGUMENT);
  nbwss::Job job;
  CHECK_FAILS(moved.job_queued(job), NBWSS_INVALID_ARGUMENT);
  CHECK(job.state.empty());

  nbwss::Request request;
  CHECK(request.uri().empty() && request.body().data() == nullptr && !request.header("a") && request.headers().empty());
  CHECK(!request.is_wanted());
  CHECK_FAILS(request.respond({204}), NBWSS_INVALID_ARGUMENT);
  CHECK_FAILS(request.fail(500, "nobody asked"), NBWSS_INVALID_ARGUMENT);

  nbwss::Endpoints endpoints;
  CHECK(endpoints.all().empty());
  CHECK_FAILS(endpoints.token(0, nullptr, 0), NBWSS_INVALID_ARGUMENT);
  nbwss::Inspection inspection;
  CHECK(!inspection.result().ok && inspection.certificates().empty() && inspection.steps().empty());
  CHECK(inspection.text().empty());
}

void settings(const std::string &directory) {
  nbwss::Options options = new_options();
  // A view of what goes on behind it.
  const std::string_view text = "connect.timeout=12345";
  CHECK_DONE(options.set(text.substr(0, 15), text.substr(16, 4)));
  CHECK_FAILS(options.set("connect.timeout", "12345x"), NBWSS_INVALID_VALUE);
  CHECK_DONE(options.set_int("connect.timeout", 1234));
  CHECK_FAILS(options.set_int("connect.timeout", -1), NBWSS_INVALID_VALUE);
  CHECK_DONE(options.set_bool("dispatch.inline", true));
  CHECK_FAILS(options.set_bool("connect.timeout", true), NBWSS_INVALID_VALUE);

  const std::string path = directory + "/nbwss.properties";
  std::ofstream(path) << "# ours\nkeepAlive.scheduledRate=31\nfirst.unknown=1\nsecond.unknown=2\n";
  auto unknown = options.load_file(path);
  CHECK_DONE(unknown);
  CHECK(*unknown == "line 3: first.unknown\nline 4: second.unknown");
  CHECK_FAILS(options.load_file(directory + "/none"), NBWSS_IO);
}

void callbacks() {
  const Captured captured;
  const auto on_event = [captured](const nbwss::Event &) {};
  const long here = captured.held();
  nbwss::Options options = new_options();
  CHECK_DONE(options.on_event(on_event));
  CHECK(captured.held() == here + 1);
  // The one that is replaced goes.
  CHECK_DONE(options.on_event(on_event));
  CHECK(captured.held() == here + 1);
  // One that is refused goes at once, and leaves the other.
  CHECK_FAILS(options.on_event(nullptr), NBWSS_INVALID_ARGUMENT);
  CHECK_FAILS(nbwss::Options().on_event(on_event), NBWSS_INVALID_ARGUMENT);
  CHECK(captured.held() == here + 1);

  // It stays as long as anything that was made with it.
  nbwss::Connector first = nbwss::Connector::create(options).value();
  nbwss::Connector second = nbwss::Connector::create(options).value();
  options = nbwss::Options();
  CHECK(captured.held() == here + 1);
  first = std::move(second); // ends the first
  CHECK(captured.held() == here + 1);
  CHECK_DONE(first.destroy());
  CHECK(captured.held() == here);

  // Each kind, by the options' end.
  options = new_options();
  CHECK_DONE(options.on_request([captured](nbwss::Request) {}));
  CHECK_DONE(options.on_delivery([captured](const nbwss::Delivery &) {}));
  CHECK_DONE(options.on_event([captured](const nbwss::Event &) {}));
  CHECK_DONE(options.on_log([captured](const nbwss::Log &) {}));
  CHECK_DONE(options.on_audit([captured](const nbwss::Audit &) {}));
  CHECK_DONE(options.on_cancel([captured](const nbwss_request *) {}));
  CHECK_DONE(options.on_dial([captured](const nbwss::Dial &, nbwss_socket &) { return 1; }));
  CHECK_DONE(options.on_store_key([captured](std::uint8_t *) { return 1; }));
  CHECK(captured.held() == here + 8);
  const std::uint8_t key[32] = {};
  CHECK_FAILS(options.set_store_key(key, 31), NBWSS_INVALID_ARGUMENT);
  CHECK(captured.held() == here + 8);
  CHECK_DONE(options.set_store_key(key, sizeof key)); // in place of the callback
  CHECK(captured.held() == here + 7);
  options = nbwss::Options();
  CHECK(captured.held() == here);
}

void store_keys(const std::string &directory) {
  nbwss::Options options = new_options();
  CHECK_DONE(options.set("endpoint.store.path", directory + "/endpoints.db"));
  std::int32_t answer = 0;
  CHECK_DONE(options.on_store_key([&answer](std::uint8_t *key) {
    std::fill_n(key, 32, std::uint8_t{7});
    return answer;
  }));
  CHECK_DONE(nbwss::Connector::create(options));
  answer = 4711;
  auto refused = nbwss::Connector::create(options);
  CHECK_FAILS(refused, NBWSS_STORE_KEY);
  CHECK(contains(refused.message(), "4711"));
  std::uint8_t key[32];
  std::fill_n(key, 32, std::uint8_t{7});
  CHECK_DONE(options.set_store_key(key, sizeof key));
  CHECK_DONE(nbwss::Connector::create(options));
}

// A timeout that C has no number for is as long, or as short, as can be.
void timeouts() {
  nbwss::Connector connector = nbwss::Connector::create(new_options()).value();
  nbwss_drained drained; // has to be filled in, whatever is in there
  drained.struct_size = 0;
  CHECK_DONE(connector.drain(std::chrono::hours(24 * 365 * 100), &drained));
  CHECK(drained.struct_size == sizeof drained && drained.pending == 0);
  CHECK_DONE(connector.drain(-1s));
  CHECK_DONE(connector.start());
  CHECK_FAILS(connector.wait(0s), NBWSS_ILLEGAL_STATE);
  CHECK_DONE(connector.stop());
  CHECK_DONE(connector.wait(0s));
}

// A callback that does not return: the end is refused, as it is in a callback, and comes when it is asked for again.
void ends() {
  const Captured captured;
  counter dialled = COUNTER_INIT, released = COUNTER_INIT;
  nbwss::Connector connector;
  nbwss::Options options = new_options();
  CHECK_DONE(options.set_int("shutdown.timeout", 100));
  CHECK_DONE(options.on_dial([&, captured](const nbwss::Dial &, nbwss_socket &) {
    CHECK_FAILS(connector.destroy(), NBWSS_ILLEGAL_STATE);
    counter_raise(&dialled);
    CHECK(counter_reaches(&released, 1));
    return 1;
  }));
  connector = nbwss::Connector::create(options).value();
  options = nbwss::Options();
  CHECK_DONE(connector.endpoint_add({"a.example.com", "wss://a.example.com/", "group", "token"}));
  CHECK_DONE(connector.start());
  CHECK(counter_reaches(&dialled, 1));
  CHECK_FAILS(connector.destroy(), NBWSS_TIMEOUT);
  CHECK(connector.get() != nullptr && captured.held() == 1);
  counter_raise(&released);
  CHECK_DONE(connector.destroy());
  CHECK(connector.get() == nullptr && captured.held() == 0);
}

} // namespace

int main(int argc, char **argv) {
  if (argc == 1) {
    nbwss::Options().set("log.level", "info").value();
    return 0;
  }
  results();
  empty_objects();
  settings(argv[1]);
  callbacks();
  store_keys(argv[1]);
  timeouts();
  ends();
  return 0;
}
