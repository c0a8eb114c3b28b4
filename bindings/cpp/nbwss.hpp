/// @file
/// libnbwss for C++17 and later: the C interface of nbwss.h, with owners, views and functions. Header-only; link the
/// library itself.
///
///     auto options = nbwss::Options::create().value();
///     options.set("tls.caFile", "ca.pem").value();
///     options.set("dispatch.policy", "allow GET /netbackup/**").value();
///     options.on_request([](nbwss::Request request) { request.respond({200, "{}"}).value(); }).value();
///     auto connector = nbwss::Connector::create(options).value();
///     connector.endpoint_add_file("endpoint.json").value();
///     connector.start().value();
///
/// - **Results**: functions that can fail return a `Result`: test it, or let `value` throw. Nothing else throws, but
///   for want of memory. With -fno-exceptions, which must then hold for all files of a program that include this,
///   `value` ends the process instead.
/// - **Objects**: `Options`, `Connector`, `Request`, `Endpoints` and `Inspection` own a C handle: they can be moved,
///   not copied, and `get` lends the handle for calls of the C interface.
/// - **Texts**: `std::string_view` in and out, UTF-8. What comes out is borrowed: from the object that gave it, or for
///   the length of the callback.
/// - **Callbacks**: `std::function`, in the library's keeping until after their last call. What they capture by
///   reference must outlive the connector: declare that first. They may throw.
/// - **Threads**: as in C: see nbwss.h. Enumerations and structs of numbers are those of C, too.

#ifndef NBWSS_HPP
#define NBWSS_HPP

#include "nbwss/connector.hpp"
#include "nbwss/endpoints.hpp"
#include "nbwss/inspection.hpp"
#include "nbwss/notifications.hpp"
#include "nbwss/options.hpp"
#include "nbwss/reports.hpp"
#include "nbwss/request.hpp"
#include "nbwss/result.hpp"

/// The NetBackup WebSocket Service connector: see nbwss.hpp.
namespace nbwss {}

#endif
