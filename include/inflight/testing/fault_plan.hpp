// inflight/testing/fault_plan.hpp - what shall go wrong between a test server and its clients.
#pragma once

#include <inflight/session/options.hpp>

namespace inflight::testing {

enum class direction : std::uint8_t { to_server, to_client };

constexpr std::string_view name(direction way) {
    return way == direction::to_server ? "to server" : "to client";
}

/// Composed by a test, applied by a server to what it receives and sends. Packets and bytes are counted from
/// the moment of the call, over all connections. A fault is used up when it has happened; pending() tells
/// which have not.
///
///     server.faults().lose(direction::to_client, packet_type::puback).cut_after(direction::to_server, 100);
class fault_plan {
public:
    /// The nth packet of that type, counted from 1, never arrives. (A PUBLISH that would have set a Topic
    /// Alias leaves it unset.)
    fault_plan& lose(direction way, packet_type type, std::size_t nth = 1) {
        return add({way, type, nth, fault::lose, {}});
    }
    /// It arrives so much later. What comes behind it overtakes it.
    fault_plan& delay(direction way, packet_type type, std::size_t nth, std::chrono::nanoseconds time) {
        return add({way, type, nth, fault::delay, time});
    }
    /// It arrives twice.
    fault_plan& repeat(direction way, packet_type type, std::size_t nth = 1) {
        return add({way, type, nth, fault::repeat, {}});
    }
    /// The transport breaks after so many bytes.
    fault_plan& cut_after(direction way, std::size_t bytes) {
        cuts_.push_back({way, bytes});
        return *this;
    }
    /// The next CONNECT is refused with this code, and the connection is closed.
    fault_plan& refuse(reason_code code) {
        refusals_.push_back(code);
        return *this;
    }
    /// The next CONNECT is answered by closing the transport without a word.
    fault_plan& close_silently() {
        ++silent_closes_;
        return *this;
    }
    /// Whoever sends the next packet gets these bytes, ahead of the server's own answer.
    fault_plan& send_raw(std::string bytes) {
        raw_.push_back(std::move(bytes));
        return *this;
    }

    /// What has not happened yet, a line for each.
    std::vector<std::string> pending() const {
        std::vector<std::string> out;
        out.reserve(packets_.size() + cuts_.size() + refusals_.size() + silent_closes_ + raw_.size());
        for (const packet_fault& f : packets_)
            out.push_back(std::string(verb(f.what)) + ' ' + std::string(inflight::name(f.type)) + ' ' +
                          std::string(name(f.way)) + ", " + std::to_string(f.nth) + " to go");
        for (const byte_fault& f : cuts_)
            out.push_back("cut " + std::string(name(f.way)) + " after " + std::to_string(f.left) + " bytes");
        for (const reason_code code : refusals_)
            out.push_back("refuse with '" + std::string(inflight::name(code)) + '\'');
        out.insert(out.end(), silent_closes_, "close silently");
        for (const std::string& bytes : raw_)
            out.push_back("send " + std::to_string(bytes.size()) + " raw bytes");
        return out;
    }
    void clear() { *this = {}; }

    /// What becomes of one packet.
    struct fate {
        unsigned copies = 1;
        std::chrono::nanoseconds delay{};
    };

    // From here on: for the server.

    fate next(direction way, packet_type type) {
        fate out;
        bool is_lost = false;
        std::erase_if(packets_, [&](packet_fault& f) {
            if (f.way != way || f.type != type || --f.nth != 0) return false;
            if (f.what == fault::repeat) ++out.copies;
            is_lost = is_lost || f.what == fault::lose;
            out.delay += f.time;
            return true;
        });
        if (is_lost) out.copies = 0;
        return out;
    }

    /// `size` bytes pass. If the transport breaks in them: how many still get through.
    std::optional<std::size_t> cut(direction way, std::size_t size) {
        if (size == 0) return std::nullopt;
        auto first = cuts_.end();
        for (auto f = cuts_.begin(); f != cuts_.end(); ++f)
            if (f->way == way && (first == cuts_.end() || f->left < first->left)) first = f;
        const bool is_cut = first != cuts_.end() && first->left <= size;
        const std::size_t passed = is_cut ? first->left : size;
        for (byte_fault& f : cuts_)
            if (f.way == way) f.left -= passed;
        if (!is_cut) return std::nullopt;
        cuts_.erase(first);
        return passed;
    }

    std::optional<reason_code> take_refusal() { return take(refusals_); }
    std::optional<std::string> take_raw() { return take(raw_); }
    bool take_silent_close() {
        if (silent_closes_ == 0) return false;
        --silent_closes_;
        return true;
    }

private:
    enum class fault : std::uint8_t { lose, delay, repeat };
    struct packet_fault {
        direction way;
        packet_type type;
        std::size_t nth; // Counts down to 0.
        fault what;
        std::chrono::nanoseconds time;
    };
    struct byte_fault {
        direction way;
        std::size_t left;
    };

    static constexpr std::string_view verb(fault what) {
        return what == fault::lose ? "lose" : what == fault::delay ? "delay" : "repeat";
    }
    fault_plan& add(packet_fault f) {
        f.nth = std::max<std::size_t>(f.nth, 1);
        packets_.push_back(f);
        return *this;
    }
    template <class T>
    static std::optional<T> take(std::vector<T>& from) {
        if (from.empty()) return std::nullopt;
        std::optional<T> out(std::move(from.front()));
        from.erase(from.begin());
        return out;
    }

    std::vector<packet_fault> packets_{};
    std::vector<byte_fault> cuts_{};
    std::vector<reason_code> refusals_{};
    std::vector<std::string> raw_{};
    std::size_t silent_closes_ = 0;
};

} // namespace inflight::testing
