// What host.c does, in C++.

#include <future>
#include <iostream>
#include <nbwss.hpp>

int main(int argc, char **argv) try { // endpoint details, certificate authorities
  if (argc != 3) return 2;
  std::promise<void> answered;
  auto options = nbwss::Options::create().value();
  options.set("tls.caFile", argv[2]).value();
  options.set("dispatch.policy", "allow GET /**").value();
  options.on_request([&](nbwss::Request request) {
    request.respond({200}).value();
    answered.set_value();
  }).value();
  auto connector = nbwss::Connector::create(options).value();
  connector.endpoint_add_file(argv[1]).value();
  connector.start().value();
  nbwss::Job job;
  job.client_name = "client.example.com";
  job.job_type = "BACKUP";
  job.job_id = 144;
  connector.job_active(job).value();
  answered.get_future().wait();
  connector.drain(std::chrono::seconds(10)).value();
  connector.destroy().value();
  std::cout << nbwss::version() << std::endl;
} catch (const nbwss::Error &error) {
  std::cerr << error.what() << std::endl;
  return 1;
}
