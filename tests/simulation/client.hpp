// The client's process: a session and what drives it - connects, writes, reads, keeps deadlines - as a program would
// over a transport that is slow to write and that breaks. It ends and begins anew when it crashes; the disk stays.
#pragma once

#include "disk.hpp"
#include "profile.hpp"
#include "transport.hpp"
#include "wire_rules.hpp"

namespace simulation {

using session_type = inflight::client_session<disk_store>;

class client {
public:
    /// Makes a connection to the server; called when the client wants one.
    std::function<std::shared_ptr<transport>()> dial{};
    std::function<void(const inflight::event::any&)> on_event{};

    client(schedule& time, dice& d, const profile& p, disk& store, wire_rules& rules, trace& out)
        : time_(time), dice_(d), profile_(p), disk_(store), rules_(rules), trace_(out), version_(p.version) {}

    void start_process() {
        ++process_;
        connections_ = 0;
        session_ = std::make_unique<session_type>(profile_.options, disk_store(disk_));
        committing_ = disk_.last_ticket();
        want_connection();
    }

    void end_process() {
        if (transport_) transport_->close(way::to_server);
        closed();
        session_.reset();
    }

    session_type& session() { return *session_; }
    unsigned process() const { return process_; }
    std::uint32_t connections() const { return connections_; }
    bool has_transport() const { return transport_ != nullptr; }
    std::shared_ptr<transport> current() const { return transport_; }
    inflight::protocol_version version() const { return version_; }
    void use_other_version() {
        using inflight::protocol_version;
        version_ = version_ == protocol_version::v5 ? protocol_version::v3_1_1 : protocol_version::v5;
    }

    /// From now on connections are made, and made again; or none.
    void want_connection() {
        is_wanted_ = true;
        if (!transport_) dial_after(dice_.between(0ms, 500ms));
    }
    void want_no_connection() { is_wanted_ = false; }

    void pause() {
        is_paused_ = true;
        session_->reading_paused(time_.now());
        trace_("application", "reads nothing for a while");
    }
    void resume() {
        if (!std::exchange(is_paused_, false)) return;
        session_->reading_resumed(time_.now());
        trace_("application", "reads on");
        read();
    }
    bool is_paused() const { return is_paused_; }

    std::optional<time_point> deadline() const { return session_ ? session_->deadline() : std::nullopt; }
    void deadline_reached() {
        session_->deadline_reached(time_.now());
        pump();
        rules_.check_keep_alive();
        const auto next = session_->deadline();
        require(!next || *next > time_.now(), "a deadline that was reached moves on");
    }

    /// To be called after everything that is done with the session.
    void pump() {
        take_events();
        commit();
        write();
        take_events(); // QoS 0 is done when it is written.
        if (transport_ && session_->is_closing() && session_->output_empty()) close();
    }

    void take_events() {
        while (session_) {
            const auto e = session_->next_event();
            if (!e) return;
            on_event(*e);
        }
    }

private:
    void dial_after(duration delay) {
        time_.after(delay, [this, process = process_, number = ++dials_] {
            if (process == process_ && number == dials_ && session_ && is_wanted_ && !transport_) connect();
        });
    }

    void connect() {
        transport_ = dial();
        ++connections_;
        inbox_.clear();
        is_paused_ = is_writing_ = false;
        transport_->client.on_bytes = [this](std::string_view bytes) {
            rules_.check_keep_alive();
            inbox_.append(bytes);
            read();
        };
        transport_->client.on_closed = [this] {
            trace_("client", "learns that the connection is gone");
            closed();
        };
        trace_("client", "connects");
        rules_.opened(version_);
        const errc bad = session_->transport_opened(version_);
        require(bad == errc::none, "CONNECT can be encoded");
        time_.after(10s, [this, process = process_, connection = connections_] {
            if (process == process_ && connection == connections_ && transport_) connect_timeout();
        });
        pump();
    }

    void connect_timeout() {
        if (session_->is_connected()) return;
        session_->fail(errc::connect_timeout);
        pump();
        if (transport_) close();
    }

    void close() {
        check_reason(session_->close_reason());
        trace_("client", "closes the connection: ", words(session_->close_reason()));
        transport_->close(way::to_server);
        closed();
    }

    void closed() {
        if (!std::exchange(transport_, nullptr)) return;
        rules_.closed();
        session_->transport_closed();
        take_events();
        if (is_wanted_) dial_after(dice_.chance(80) ? dice_.between(10ms, 2'000ms) : dice_.between(1s, 40s));
    }

    // Nothing but a fault makes the session end a connection.
    void check_reason(errc why) const {
        const bool is_late = why == errc::ack_timeout || why == errc::keep_alive_timeout || why == errc::connect_timeout;
        const bool is_theirs = why == errc::server_disconnected || why == errc::connection_refused ||
                               why == errc::version_refused || why == errc::none;
        require(is_late || is_theirs, "the session ends the connection: ", words(why));
        const bool is_slow = transport_->was_stalled() || transport_->is_broken() || profile_.late_acknowledgements != 0 ||
                             !profile_.writes_promptly();
        require(!is_late || is_slow, "the session gives up a connection that is good: ", words(why));
    }

    void read() {
        while (transport_ && !is_paused_) {
            // An allocation of just this size, so that AddressSanitizer sees each byte read too many.
            const std::vector<char> exact(inbox_.begin(), inbox_.begin() + readable());
            const std::string_view bytes(exact.data(), exact.size());
            const std::size_t taken = session_->received(bytes, time_.now());
            if (taken != 0) rules_.received(bytes.substr(0, taken));
            take_events();
            if (taken == 0) break;
            inbox_.erase(0, taken);
        }
        if (transport_) pump();
    }

    // The session reads past an oversized packet piece by piece. Here it gets it in one, so that the rules see the
    // packet before its acknowledgement.
    std::ptrdiff_t readable() const {
        std::string_view rest = inbox_;
        while (const auto f = inflight::next_frame(rest, version_)) rest.remove_prefix(f->size);
        const auto f = inflight::next_frame(rest, version_, profile_.options.maximum_packet_size);
        const bool is_oversized = !f && f.error() == errc::packet_too_large;
        return static_cast<std::ptrdiff_t>(inbox_.size() - (is_oversized ? rest.size() : 0));
    }

    void commit() {
        if (disk_.last_ticket() == committing_) return;
        committing_ = disk_.last_ticket();
        time_.after(dice_.between(0ms, 300ms), [this, process = process_, ticket = committing_] {
            if (process != process_ || !session_) return;
            disk_.commit(ticket);
            session_->committed(ticket);
            pump();
        });
    }

    void write() {
        while (transport_ && !is_writing_) {
            const auto pieces = session_->output();
            std::size_t size = 0;
            for (const std::string_view piece : pieces) size += piece.size();
            if (size == 0) return;
            if (!profile_.bad_writes || dice_.chance(60)) {
                written(pieces, size);
                continue;
            }
            is_writing_ = true;
            const std::size_t part = dice_.chance(50) ? size : dice_.between(1, size);
            const auto delay = dice_.chance(85) ? dice_.between(0ms, 400ms) : dice_.between(1s, 8s);
            time_.after(delay, [this, pieces, part, process = process_, connection = connections_] {
                if (process != process_ || connection != connections_ || !transport_) return;
                is_writing_ = false;
                written(pieces, part);
                pump();
            });
        }
    }

    // The bytes are read when the write ends: until then they must stay where they are.
    void written(std::span<const std::string_view> pieces, std::size_t size) {
        std::string bytes;
        for (const std::string_view piece : pieces) bytes.append(piece.substr(0, size - bytes.size()));
        rules_.sent(bytes);
        transport_->write(way::to_server, bytes);
        session_->written(size, time_.now());
    }

    schedule& time_;
    dice& dice_;
    const profile& profile_;
    disk& disk_;
    wire_rules& rules_;
    trace& trace_;
    inflight::protocol_version version_;
    std::unique_ptr<session_type> session_{};
    std::shared_ptr<transport> transport_{};
    std::string inbox_{};
    unsigned process_ = 0, dials_ = 0;
    std::uint32_t connections_ = 0; // Of this process.
    std::uint64_t committing_ = 0;  // The latest ticket whose commit has been asked for.
    bool is_wanted_ = false, is_paused_ = false, is_writing_ = false;
};

} // namespace simulation
