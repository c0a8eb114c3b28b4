// What the C++ programs of the test suite share, beside what the C programs do.
#ifndef NBWSS_TEST_CHECK_HPP
#define NBWSS_TEST_CHECK_HPP

#include <nbwss.hpp>

#include <memory>
#include <string>

#include "../c/check.h"

#define CHECK_DONE(result) CHECK_FAILS(result, NBWSS_OK)
#define CHECK_FAILS(result, wanted) check_status(__FILE__, __LINE__, #result, (result).status(), (wanted))

inline bool contains(std::string_view text, std::string_view part) { return text.find(part) != text.npos; }

// Something for a callback to capture, by which its end is seen.
struct Captured {
  std::shared_ptr<int> alive = std::make_shared<int>();
  // How many copies are held elsewhere.
  long held() const { return alive.use_count() - 1; }
};

#endif
