/// @file
/// What was seen on the way to an endpoint: steps, certificates, and whether they are trusted.

#ifndef NBWSS_INSPECTION_HPP
#define NBWSS_INSPECTION_HPP

#include <nbwss.h>

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "detail.hpp"

namespace nbwss {

/// What became of an inspection.
struct InspectionResult {
  bool ok = false;                      ///< Every step was done.
  bool trusted = false;                 ///< The certificates are what the choice for TLS trusts.
  std::string_view distrust;            ///< Why they are not, in words; empty where they are, or none were seen.
  std::string_view ca_to_accept;        ///< PEM text that, given as `Tls::ca_pem`, makes it trusted; empty without any.
  std::string_view tls_version;         ///< `TLS 1.3` or `TLS 1.2`; empty where it did not get so far.
  std::string_view failure;             ///< Why the last step failed, in words; empty where it was done.
  nbwss_cause cause = NBWSS_CAUSE_NONE; ///< The class of that failure.
};

/// A certificate.
struct Certificate {
  std::string_view subject;     ///< Distinguished name (RFC 4514).
  std::string_view issuer;      ///< Distinguished name of who signed it.
  std::string_view names;       ///< What it is for: `DNS:...` and `IP:...`, separated by `, `.
  std::string_view serial;      ///< Serial number in hexadecimal digits.
  std::int64_t not_before = 0;  ///< First second of its time, since 1970.
  std::int64_t not_after = 0;   ///< Last second of its time, since 1970.
  std::string_view key_type;    ///< `RSA 2048`, `ECDSA P-256`, `Ed25519`, ...
  std::string_view sha256;      ///< SHA-256 of the certificate, in hexadecimal digits: what `certificate:` pins.
  std::string_view spki_sha256; ///< SHA-256 of its public key, in hexadecimal digits: what `spki:` pins.
  bool is_ca = false;           ///< It may sign others.
  std::string_view pem;         ///< The certificate as PEM text.
};

/// One step of an inspection.
struct Step {
  nbwss_phase phase = NBWSS_PHASE_RESOLVE; ///< What was done.
  std::string_view peer;                   ///< With whom: a name, an address or a proxy.
  std::uint64_t duration_us = 0;           ///< How long it took, in microseconds.
  std::string_view failure;                ///< What went wrong, in words; empty where nothing did.
};

/// @cond internal
namespace detail {

inline InspectionResult from_c(const nbwss_inspection_result &c) noexcept {
  return {c.ok,    c.trusted, view(c.distrust), view(c.ca_to_accept), view(c.tls_version), view(c.failure),
          c.cause};
}

inline Certificate from_c(const nbwss_certificate &c) noexcept {
  return {view(c.subject),  view(c.issuer), view(c.names),       view(c.serial), c.not_before, c.not_after,
          view(c.key_type), view(c.sha256), view(c.spki_sha256), c.is_ca,        view(c.pem)};
}

inline Step from_c(const nbwss_step &c) noexcept { return {c.phase, view(c.peer), c.duration_us, view(c.failure)}; }

} // namespace detail
/// @endcond

/// What was seen on the way to an endpoint. All texts are borrowed from this object, which is why a temporary has none
/// to give; none holds a secret. Empty when it was moved from.
class Inspection {
public:
  /// Takes over a handle of the C interface; without one it is empty.
  explicit Inspection(nbwss_inspection *inspection = nullptr) noexcept : handle_(inspection) {}

  /// The handle, which stays this object's.
  nbwss_inspection *get() const noexcept { return handle_.get(); }

  /// What became of it.
  InspectionResult result() const & noexcept {
    nbwss_inspection_result result = NBWSS_INSPECTION_RESULT_INIT;
    nbwss_inspection_get_result(get(), &result);
    return detail::from_c(result);
  }
  InspectionResult result() const && = delete;

  /// The certificates, as the endpoint sent them: its own, then its issuers.
  std::vector<Certificate> certificates() const & {
    std::size_t count = 0;
    nbwss_inspection_certificate_count(get(), &count);
    std::vector<Certificate> certificates(count);
    for (std::size_t i = 0; i < count; i++) {
      nbwss_certificate certificate = NBWSS_CERTIFICATE_INIT;
      nbwss_inspection_certificate(get(), i, &certificate);
      certificates[i] = detail::from_c(certificate);
    }
    return certificates;
  }
  std::vector<Certificate> certificates() const && = delete;

  /// The steps, in the order taken.
  std::vector<Step> steps() const & {
    std::size_t count = 0;
    nbwss_inspection_step_count(get(), &count);
    std::vector<Step> steps(count);
    for (std::size_t i = 0; i < count; i++) {
      nbwss_step step = NBWSS_STEP_INIT;
      nbwss_inspection_step(get(), i, &step);
      steps[i] = detail::from_c(step);
    }
    return steps;
  }
  std::vector<Step> steps() const && = delete;

  /// All of it as text of several lines, for a person: an operator can send it to support.
  std::string_view text() const & noexcept {
    nbwss_str text = NBWSS_STR_INIT;
    nbwss_inspection_text(get(), &text);
    return detail::view(text);
  }
  std::string_view text() const && = delete;

private:
  detail::Handle<nbwss_inspection, nbwss_inspection_free> handle_;
};

} // namespace nbwss

#endif
