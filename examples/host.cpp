// A host in C++: serves the REST calls of the cloud application that an endpoint file names, tells it of a backup job,
// says what happens, and ends with Enter, when everything it has told has arrived.
//
//   g++ -std=c++17 -Iinclude -Ibindings/cpp examples/host.cpp -o host -Ltarget/release -lnbwss
//   ./host endpoint.json ca.pem

#include <iostream>
#include <nbwss.hpp>
#include <sstream>

// A line in one piece: callbacks come on several threads.
template <typename... Words> static void say(const Words &...words) {
  std::ostringstream line;
  (line << ... << words) << '\n';
  std::cout << line.str() << std::flush;
}

int main(int argc, char **argv) try {
  if (argc != 3) return 2;
  auto options = nbwss::Options::create().value();
  options.set("tls.caFile", argv[2]).value();
  options.set("dispatch.policy", "allow GET /netbackup/**").value(); // nothing else reaches on_request
  options.on_request([](nbwss::Request request) {
    say(request.method(), ' ', request.uri());
    request.respond({200, R"({"data":[]})", {{"content-type", "application/json"}}}).value(); // or later, anywhere
  }).value();
  options.on_delivery([](const nbwss::Delivery &delivery) {
    const auto what = delivery.outcome == NBWSS_DELIVERED ? "delivered" : delivery.reason;
    say("notification ", delivery.sequence, ' ', what);
  }).value();

  auto connector = nbwss::Connector::create(options).value();
  connector.endpoint_add_file(argv[1]).value();
  connector.start().value();
  nbwss::Job job;
  job.client_name = "client.example.com";
  job.job_type = "BACKUP";
  job.job_id = 144;
  connector.job_active(job).value(); // kept until it is acknowledged
  connector.job_done(job, 0).value();
  std::cin.get();
  connector.drain(std::chrono::seconds(10)).value();
  connector.destroy().value();
} catch (const nbwss::Error &error) {
  std::cerr << nbwss::status_name(error.status()) << ": " << error.what() << std::endl;
  return 1;
}
