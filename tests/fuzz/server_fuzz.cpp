// Bytes taken as the life of a test server: connections that open and break, clients that behave and clients that
// do not, faults, restarts, time. Whatever comes, the server does not crash; what it sends are packets in a legal
// order that keep the client's limits; no queue outgrows its bound; and time moves on.
#include <inflight/codec/any_packet.hpp>
#include <inflight/testing/server.hpp>

#include "fuzz/input.hpp"

#include <array>

using namespace inflight;
using namespace inflight::testing;

namespace {

constexpr std::size_t max_waiting = 20;

// One transport, seen from the client's end.
struct client {
    connection_id number{};
    bool is_open = false;
    bool is_clean = true; // Nothing but packets that were decided on here went to the server.
    bool has_connect = false, has_connack = false, is_done = false;
    protocol_version version = protocol_version::v5;
    std::size_t receive_maximum = 65'535, maximum_packet_size = wire::packet_max, topic_alias_maximum = 0;
    std::map<packet_id, qos> open{}; // PUBLISHes that were received and not acknowledged.
    std::map<std::uint32_t, std::string> aliases{};
    std::string stream{};
};

class life {
public:
    explicit life(input in) : in_(in), decisions_(in_.byte()), server_(options(in_)) {}

    void run() {
        while (!in_.at_end()) {
            step();
            if (drains()) for (client& c : clients_) read(c, wire::packet_max);
            for (const session_info& s : server_.sessions())
                check(s.waiting <= max_waiting, "what waits for a session is bounded");
        }
        for (client& c : clients_) close(c);
        pass_time(std::chrono::hours(24 * 365));
    }

private:
    bool drains() const { return (decisions_ & 1) != 0; } // All output is read at once.
    bool has_faults() const { return (decisions_ & 2) != 0; }

    static server_options options(input& in) {
        server_options out;
        const unsigned bits = in.byte();
        if (bits & 1) out.receive_maximum = 2;
        if (bits & 2) out.maximum_qos = static_cast<qos>(in.byte() & 1);
        if (bits & 4) out.retain_available = out.wildcard_subscriptions = false;
        if (bits & 8) out.maximum_packet_size = 40;
        if (bits & 16) out.topic_alias_maximum = out.topic_aliases_to_clients = 2;
        if (bits & 32) out.server_keep_alive = static_cast<std::uint16_t>(in.byte());
        if (bits & 64) out.maximum_session_expiry = std::chrono::seconds(in.byte());
        if (bits & 128) out.v3_1_1 = out.shared_subscriptions = out.subscription_identifiers = false;
        out.max_queued_messages = max_waiting;
        out.max_output_bytes = 100'000;
        out.trace_lines = 10;
        out.authentication = [](std::string_view, std::string_view) -> authentication_exchange {
            return [](std::string_view words) -> authentication_answer {
                if (words.empty()) return {reason_code::continue_authentication, "more"};
                return {words == "no" ? reason_code::not_authorized : reason_code::success};
            };
        };
        return out;
    }

    void step() {
        client& c = clients_[in_.byte() % clients_.size()];
        switch (in_.byte() % 20) {
            case 0: open(c); break;
            case 1: close(c); break;
            case 2: say_bytes(c, in_.bytes(in_.byte())); break;
            case 3:
            case 4: say_connect(c); break;
            case 5:
            case 6:
            case 7: say_publish(c); break;
            case 8:
            case 9: say_subscribe(c); break;
            case 10: say(c, unsubscribe{.id = packet_id{1}, .filters = {filter()}}); break;
            case 11:
            case 12:
            case 13: acknowledge(c); break;
            case 14: say_acknowledgement(c); break;
            case 15: read(c, in_.byte()); break;
            case 16: pass_time(std::chrono::milliseconds(in_.two_byte())); break;
            case 17: pass_time(std::chrono::seconds(in_.two_byte())); break;
            case 18: say_rare(c); break;
            default: decide(c); break;
        }
    }

    void open(client& c) {
        if (c.is_open) return;
        c = client{.number = server_.opened(now_), .is_open = true};
    }
    void close(client& c) {
        if (!c.is_open) return;
        server_.closed(c.number, now_);
        check(server_.output(c.number).empty() && server_.is_closing(c.number), "a closed connection is forgotten");
        c.is_open = false;
    }

    void say_bytes(client& c, std::string_view bytes) {
        if (!c.is_open) return;
        c.is_clean = false;
        const std::vector<char> exact(bytes.begin(), bytes.end());
        server_.received(c.number, {exact.data(), exact.size()}, now_);
    }
    template <class Packet>
    bool say(client& c, const Packet& p) {
        std::string bytes;
        if (!c.is_open || encode(p, c.version, bytes) != errc::none) return false;
        const std::vector<char> exact(bytes.begin(), bytes.end());
        const std::size_t middle = drains() ? exact.size() : in_.byte() % (exact.size() + 1);
        server_.received(c.number, {exact.data(), middle}, now_);
        server_.received(c.number, {exact.data() + middle, exact.size() - middle}, now_);
        return true;
    }

    void say_connect(client& c) {
        open(c);
        const unsigned bits = in_.byte(), more = in_.byte();
        if (!c.has_connect) c.version = bits & 1 ? protocol_version::v5 : protocol_version::v3_1_1;
        constexpr std::array<std::string_view, 4> names{"a", "b", "c", ""};
        connect p{.clean_start = (bits & 2) != 0, .keep_alive = static_cast<std::uint16_t>(bits & 4 ? in_.byte() : 0)};
        p.client_id = names[bits >> 3 & 3];
        properties<packet_type::connect> props;
        properties<packet_type::will> will_props;
        if (bits & 32) props.set<property_id::session_expiry_interval>(in_.two_byte());
        if (bits & 64) props.set<property_id::receive_maximum>(1 + in_.byte() % 4);
        if (bits & 128) props.set<property_id::maximum_packet_size>(1 + in_.byte());
        if (more & 1) props.set<property_id::topic_alias_maximum>(in_.byte() % 4);
        if (more & 2) will_props.set<property_id::will_delay_interval>(in_.byte());
        const std::string topic(name());
        const bool retains = (more & 8) != 0;
        if (more & 4) p.will = will{.props = will_props, .topic = topic, .payload = "will", .qos = level(), .retain = retains};
        if (more & 16) props.set<property_id::request_response_information>(1);
        if (more & 32) props.set<property_id::authentication_method>("M");
        if (more & 64) props.set<property_id::authentication_data>("yes");
        p.props = props;
        const bool is_first = !c.has_connect && c.is_clean;
        if (!say(c, p)) { // It cannot be encoded, and the server has seen nothing of it.
            c.is_clean = false;
            return;
        }
        c.has_connect = true;
        if (!is_first || c.version != protocol_version::v5) return;
        c.receive_maximum = props.get<property_id::receive_maximum>().value_or(65'535);
        c.maximum_packet_size = props.get<property_id::maximum_packet_size>().value_or(wire::packet_max);
        c.topic_alias_maximum = props.get<property_id::topic_alias_maximum>().value_or(0);
    }

    std::string_view name() {
        constexpr std::array<std::string_view, 6> names{"a", "a/b", "a/b/c", "/", "$SYS/a", "b"};
        return names[in_.byte() % names.size()];
    }
    std::string_view filter() {
        constexpr std::array<std::string_view, 10> filters{
            "a", "a/+", "a/#", "#", "+", "+/+", "$share/g/a/#", "$share/h/a/#", "$SYS/#", "/"};
        return filters[in_.byte() % filters.size()];
    }
    qos level() { return static_cast<qos>(in_.byte() % 3); }

    void say_publish(client& c) {
        const unsigned bits = in_.byte();
        properties<packet_type::publish> props;
        if (bits & 1) props.set<property_id::message_expiry_interval>(in_.byte() % 8);
        if (bits & 2) props.set<property_id::topic_alias>(1 + in_.byte() % 3);
        if (bits & 4) props.add_user_property("name", "value");
        publish p{.qos = level(), .retain = (bits & 8) != 0, .topic = bits & 16 ? "" : name(), .props = props};
        const std::string payload(bits & 32 ? in_.byte() : bits & 64 ? 2000 : 0, 'x');
        p.payload = payload;
        if (p.qos != qos::at_most_once) p.id = packet_id{static_cast<std::uint16_t>(1 + in_.byte() % 4)};
        p.dup = (bits & 128) != 0 && p.qos != qos::at_most_once;
        say(c, p);
    }

    void say_subscribe(client& c) {
        const unsigned bits = in_.byte();
        properties<packet_type::subscribe> props;
        if (bits & 1) props.set<property_id::subscription_identifier>(1 + in_.byte());
        subscribe p{.id = packet_id{1}, .props = props};
        for (unsigned i = 0; i <= (bits >> 1 & 1); ++i)
            p.subscriptions.push_back({.filter = filter(), .qos = level(), .no_local = (bits & 4) != 0,
                                       .retain_as_published = (bits & 8) != 0,
                                       .retain_handling = static_cast<retain_handling>((bits >> 4) % 3)});
        say(c, p);
    }

    // As a good client does: the next step for a message it has received.
    void acknowledge(client& c) {
        if (c.open.empty()) return;
        const auto at = std::next(c.open.begin(), in_.byte() % static_cast<long>(c.open.size()));
        const auto [id, level] = *at;
        if (level == qos::exactly_once && say(c, pubrec{.id = id})) return;
        c.open.erase(at);
        if (level == qos::at_least_once) say(c, puback{.id = id});
        else say(c, pubcomp{.id = id});
    }

    // As a bad one might: any acknowledgement. It may end what the server has in flight, unknown to us.
    void say_acknowledgement(client& c) {
        const unsigned bits = in_.byte();
        const packet_id id{static_cast<std::uint16_t>(1 + in_.byte() % 8)};
        const auto reason = bits & 4 ? reason_code::quota_exceeded : reason_code::success;
        switch (bits & 3) {
            case 0: c.is_clean = false; say(c, puback{.id = id, .reason = reason}); break;
            case 1: c.is_clean = false; say(c, pubrec{.id = id, .reason = reason}); break;
            case 2: c.is_clean = false; say(c, pubcomp{.id = id}); break;
            default: say(c, pubrel{.id = id}); break;
        }
    }

    void say_rare(client& c) {
        switch (const unsigned bits = in_.byte(); bits % 4) {
            case 0: say(c, pingreq{}); break;
            case 1: say(c, disconnect{.reason = bits & 8 ? reason_code::disconnect_with_will_message : reason_code::success}); break;
            case 2: {
                const auto props = properties<packet_type::disconnect>().set<property_id::session_expiry_interval>(in_.byte());
                say(c, disconnect{.props = props});
                break;
            }
            default: say_auth(c, bits); break;
        }
    }

    void say_auth(client& c, unsigned bits) {
        auto props = properties<packet_type::auth>().set<property_id::authentication_method>(bits & 8 ? "M" : "N");
        if (bits & 16) props.set<property_id::authentication_data>(bits & 32 ? "yes" : "no");
        say(c, auth{.reason = bits & 4 ? reason_code::re_authenticate : reason_code::continue_authentication, .props = props});
    }

    // What the owner of the server does.
    void decide(client& c) {
        switch (in_.byte() % 6) {
            case 0: (void)server_.publish(message(name(), "from the server", level(), (in_.byte() & 1) != 0), now_); break;
            case 1: server_.disconnect(c.number, reason_code::server_shutting_down, now_); break;
            case 2: server_.restart((in_.byte() & 1) != 0, now_); break;
            case 3: server_.set_options(options(in_)); break;
            default: if (has_faults()) plan(); break;
        }
    }
    void plan() {
        fault_plan& faults = server_.faults();
        const auto way = in_.byte() & 1 ? direction::to_server : direction::to_client;
        const auto type = static_cast<packet_type>(1 + in_.byte() % 15);
        const std::size_t nth = in_.byte() % 4;
        switch (in_.byte() % 7) {
            case 0: faults.lose(way, type, nth); break;
            case 1: faults.delay(way, type, nth, std::chrono::milliseconds(in_.two_byte())); break;
            case 2: faults.repeat(way, type, nth); break;
            case 3: faults.cut_after(way, in_.byte()); break;
            case 4: faults.refuse(static_cast<reason_code>(in_.byte())); break;
            case 5: faults.close_silently(); break;
            default: faults.send_raw(std::string(in_.bytes(in_.byte()))); break;
        }
    }

    void pass_time(std::chrono::nanoseconds time) {
        const time_point end = now_ + std::chrono::duration_cast<time_point::duration>(time);
        for (auto due = server_.deadline(); due && *due <= end; due = server_.deadline()) {
            now_ = std::max(now_, *due);
            server_.deadline_reached(now_);
            const auto next = server_.deadline();
            check(!next || *next > now_, "a deadline that was kept moves");
        }
        now_ = end;
    }

    // Takes up to `most` bytes of what the server sends.
    void read(client& c, std::size_t most) {
        if (!c.is_open) return;
        for (std::string_view more = server_.output(c.number); !more.empty() && most != 0; more = server_.output(c.number)) {
            more = more.substr(0, most);
            most -= more.size();
            c.stream.append(more);
            server_.written(c.number, more.size(), now_);
        }
        if (!has_faults()) take_packets(c);
        else c.stream.clear(); // Raw bytes, cut and lost packets are no promise of order.
        if (server_.is_closing(c.number) && server_.output(c.number).empty()) close(c);
    }

    void take_packets(client& c) {
        while (true) {
            if (!c.has_connect && c.stream.size() > 1) // CONNACK tells the version: 3.1.1 has no properties.
                c.version = c.stream[1] == 2 ? protocol_version::v3_1_1 : protocol_version::v5;
            const auto f = next_frame(c.stream, c.version);
            if (!f) return check(f.error() == errc::need_more, "output is made of packets");
            const auto p = decode(*f, c.version);
            check(bool(p), "output can be decoded");
            const bool is_auth = type_of(*p) == packet_type::auth, is_connack = type_of(*p) == packet_type::connack;
            check(is_auth || is_connack != c.has_connack, "CONNACK comes first but for AUTH, and once");
            check(!c.is_done, "nothing follows DISCONNECT or a refusal");
            check(!c.has_connect || f->size <= c.maximum_packet_size, "the Maximum Packet Size is kept");
            c.has_connect = true;
            c.has_connack = c.has_connack || is_connack;
            std::visit([&](const auto& one) { take(c, one); }, *p);
            c.stream.erase(0, f->size);
        }
    }

    template <class Packet>
    void take(client&, const Packet&) {
        using type = packet_type;
        constexpr packet_set client_only{type::connect, type::subscribe, type::unsubscribe, type::pingreq};
        check(!client_only.has(Packet::type), "a packet that a server may send");
    }
    void take(client& c, const connack& p) { c.is_done = is_refusal(p.reason); }
    void take(client& c, const disconnect&) {
        check(c.version == protocol_version::v5, "3.1.1 has no DISCONNECT from the server");
        c.is_done = true;
    }
    void take(client& c, const publish& p) {
        if (const auto alias = p.props.get<property_id::topic_alias>()) {
            check(!c.is_clean || *alias <= c.topic_alias_maximum, "the Topic Alias Maximum is kept");
            if (!p.topic.empty()) c.aliases[*alias] = p.topic;
            check(!c.aliases[*alias].empty(), "an alias is set before it is used");
        }
        if (p.qos == qos::at_most_once) return;
        const bool is_new = c.open.emplace(p.id, p.qos).second;
        if (!c.is_clean || !drains()) return;
        check(is_new, "a packet identifier in use is not used for another message");
        check(c.open.size() <= c.receive_maximum, "the Receive Maximum is kept");
    }
    void take(client& c, const pubrel& p) {
        const bool is_done = say(c, pubcomp{.id = p.id});
        if (is_done) c.open.erase(p.id);
    }

    input in_;
    unsigned decisions_;
    time_point now_{std::chrono::hours(1)};
    testing::server server_;
    std::array<client, 4> clients_{};
};

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    life(input(data, size)).run();
    return 0;
}
