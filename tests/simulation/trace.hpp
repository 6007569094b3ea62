// What happened, line by line with the virtual time, and what should not have happened.
#pragma once

#include "schedule.hpp"

#include <inflight/codec.hpp>

#include <iomanip>
#include <ostream>
#include <sstream>
#include <stdexcept>

namespace simulation {

/// A promise is broken.
struct violation : std::runtime_error {
    using std::runtime_error::runtime_error;
};

template <class... Parts>
void require(bool holds, const Parts&... parts) {
    if (holds) return;
    std::ostringstream text;
    (text << ... << parts);
    throw violation(text.str());
}

inline std::string_view words(inflight::errc error) { return inflight::row(error).text; }

/// Writes lines to a stream as they happen, so that they are there after a crash too; without one it costs nothing.
class trace {
public:
    trace(const schedule& time, std::ostream* out) : time_(time), out_(out) {}

    template <class... Parts>
    void operator()(std::string_view who, const Parts&... parts) {
        if (!out_) return;
        const std::chrono::duration<double> seconds = time_.now() - schedule::beginning;
        *out_ << std::setw(9) << std::fixed << std::setprecision(3) << seconds.count() << "  " << std::left
              << std::setw(13) << who << std::right;
        (*out_ << ... << parts) << std::endl;
    }

    bool is_on() const { return out_ != nullptr; }

private:
    const schedule& time_;
    std::ostream* out_;
};

} // namespace simulation
