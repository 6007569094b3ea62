// A world made from a seed: a client session against a small server, both ways, all QoS, both versions, with bytes that
// arrive in any pieces, a link that breaks at any moment, and a server that now and then loses the session. At the end
// the world comes to rest, and the promises are checked. A seed that fails is printed, and fails again.
#include "support/scripted_peer.hpp"

#include "support/catch.hpp"

#include <cstdlib>
#include <deque>
#include <map>
#include <random>
#include <set>
#include <sstream>

using namespace inflight;
using namespace std::chrono_literals;

namespace {

struct violation : std::runtime_error {
    using std::runtime_error::runtime_error;
};

void check(bool holds, const std::string& promise) {
    if (!holds) throw violation(promise);
}

// A message is named by topic and number; the payload says the number, filled up to the size.
struct name {
    std::string topic;
    unsigned number = 0;
    auto operator<=>(const name&) const = default;
};

std::string payload_of(unsigned number, std::size_t size) {
    std::string out = std::to_string(number) + "/";
    out.resize(std::max(out.size(), size), '.');
    return out;
}
name name_of(const publish& p) {
    const std::string number(p.payload.substr(0, p.payload.find('/')));
    return {std::string(p.topic), static_cast<unsigned>(std::stoul(number))};
}

// What arrived at one end: how often, and the first arrivals in order.
struct arrivals {
    std::map<name, unsigned> count{};
    std::map<std::string, unsigned> last{};

    void add(const name& n) {
        if (++count[n] != 1) return;
        check(n.number > last[n.topic], "first arrivals are in order: " + n.topic + " " + std::to_string(n.number));
        last[n.topic] = n.number;
    }
    unsigned of(const name& n) const {
        const auto found = count.find(n);
        return found == count.end() ? 0 : found->second;
    }
};

constexpr std::uint16_t client_receive_maximum = 5;

class server {
public:
    explicit server(std::mt19937& random) : random_(random) {}

    arrivals got{};
    std::set<name> gave_up{}; // With a lost session.
    std::set<name> refused{}; // Once at least: when the refusal is lost, the repeat is a new message.
    std::map<name, qos> accepted{};
    std::string out{}; // Bytes to the client.
    bool lose_session = false;
    bool has_lost = false;
    bool refuses = true;

    void accept_link(protocol_version version) {
        version_ = version;
        in_.clear();
        out.clear();
        acks_.clear();
        open_.clear();
        connected_ = false;
    }

    void receive(std::string_view bytes) {
        in_.append(bytes);
        while (true) {
            const auto f = next_frame(in_, version_);
            if (!f && f.error() == errc::need_more) return;
            check(bool(f), "what the client sends is made of packets");
            const auto p = decode(*f, version_);
            check(bool(p), "what the client sends can be decoded");
            std::visit([this](const auto& one) { on(one); }, *p);
            in_.erase(0, f->size);
        }
    }

    void make_message(const std::string& topic, qos level) {
        name n{topic, ++last_number_[topic]};
        accepted[n] = level;
        outbox_.push_back({n, level, packet_id::none, waiting, random_() % 10 == 0 ? 5000u : 8u});
    }

    // Sends some of its acknowledgements, and messages as far as the client's Receive Maximum allows.
    void flush(std::size_t acks) {
        if (!connected_) return;
        for (; acks != 0 && !acks_.empty(); --acks) {
            send(acks_.front().first);
            if (acks_.front().second != packet_id::none) open_.erase(acks_.front().second);
            acks_.pop_front();
        }
        std::size_t in_flight = 0;
        for (const outgoing_message& m : outbox_) in_flight += m.at != waiting ? 1u : 0u;
        for (auto m = outbox_.begin(); m != outbox_.end() && in_flight < client_receive_maximum;) {
            if (m->at == waiting) {
                if (m->level != qos::at_most_once) {
                    m->id = next_id();
                    ++in_flight;
                }
                send_message(*m, false);
                if (m->level == qos::at_most_once) {
                    m = outbox_.erase(m);
                    continue;
                }
                m->at = sent;
            }
            ++m;
        }
    }

    // The client has heard that its session is a new one: the same identifiers again, for other messages. Before that
    // nobody could tell them apart: a CONNACK with Session Present 0 that gets lost leaves the client with its old state.
    void session_is_known() { last_id_ = 0; }

    bool at_rest() const { return outbox_.empty() && acks_.empty() && out.empty(); }

private:
    enum state { waiting, sent, released };
    struct outgoing_message {
        name what;
        qos level;
        packet_id id;
        state at;
        std::size_t size;
    };

    template <class Packet>
    void on(const Packet&) { throw violation("the client sends only what a client sends"); }

    void on(const connect& p) {
        check(!connected_, "CONNECT comes once");
        const bool resumes = has_session_ && !p.clean_start && !lose_session;
        if (!resumes) {
            if (has_session_) has_lost = true;
            for (const outgoing_message& m : outbox_) gave_up.insert(m.what);
            outbox_.clear();
            inbound_.clear();
            seen_.clear();
        }
        lose_session = false;
        has_session_ = connected_ = true;
        properties<packet_type::connack> props;
        quota_ = 1 + random_() % 8;
        if (version_ == v5) props.set<property_id::receive_maximum>(static_cast<std::uint32_t>(quota_));
        send(connack{.session_present = resumes, .props = props});
        if (!resumes) return;
        for (const outgoing_message& m : outbox_)
            if (m.at == released) send(pubrel{.id = m.id});
            else if (m.at == sent) send_message(m, true);
    }

    void on(const publish& p) {
        check(connected_, "nothing but CONNECT before CONNACK");
        const name n = name_of(p);
        if (p.qos == qos::at_most_once) return got.add(n);
        const auto seen = seen_.find(n);
        check(seen == seen_.end() || (p.dup && seen->second == p.id), "a repeat has DUP and the same identifier");
        seen_[n] = p.id;
        open_.insert(p.id);
        check(version_ == v3 || open_.size() <= quota_, "the quota is not exceeded");
        const bool refuse = refuses && version_ == v5 && random_() % 40 == 0;
        const auto reason = refuse ? reason_code::quota_exceeded : reason_code::success;
        if (p.qos == qos::at_least_once) {
            got.add(n);
            acks_.emplace_back(packet(puback{.id = p.id, .reason = reason}), p.id);
            return;
        }
        if (inbound_.count(p.id) != 0) {
            acks_.emplace_back(packet(pubrec{.id = p.id}), packet_id::none);
            return;
        }
        got.add(n);
        if (refuse) refused.insert(n);
        else inbound_.insert(p.id);
        acks_.emplace_back(packet(pubrec{.id = p.id, .reason = reason}), refuse ? p.id : packet_id::none);
    }
    void on(const pubrel& p) {
        inbound_.erase(p.id);
        acks_.emplace_back(packet(pubcomp{.id = p.id}), p.id);
    }
    void on(const puback& p) {
        std::erase_if(outbox_, [&](const outgoing_message& m) { return m.id == p.id && m.level == qos::at_least_once; });
    }
    void on(const pubrec& p) {
        for (outgoing_message& m : outbox_)
            if (m.id == p.id && m.level == qos::exactly_once) {
                m.at = released;
                send(pubrel{.id = p.id});
                return;
            }
        throw violation("PUBREC is for a message");
    }
    void on(const pubcomp& p) {
        std::erase_if(outbox_, [&](const outgoing_message& m) { return m.id == p.id && m.at == released; });
    }
    void on(const subscribe& p) {
        const std::vector granted(p.subscriptions.size(), reason_code::success);
        acks_.emplace_back(packet(suback{.id = p.id, .reasons = granted}), packet_id::none);
    }
    void on(const unsubscribe& p) {
        unsuback answer{.id = p.id};
        if (version_ == v5) answer.reasons.assign(p.filters.size(), reason_code::success);
        acks_.emplace_back(packet(answer), packet_id::none);
    }
    void on(const pingreq&) { acks_.emplace_back(packet(pingresp{}), packet_id::none); }
    void on(const disconnect&) {}

    void send(const packet& p) { check(encode(p, version_, out) == errc::none, "the server of the test can encode"); }
    void send_message(const outgoing_message& m, bool dup) {
        const std::string payload = payload_of(m.what.number, m.size);
        send(publish{.dup = dup, .qos = m.level, .topic = m.what.topic, .id = m.id, .payload = payload});
    }
    packet_id next_id() {
        while (true) {
            last_id_ = static_cast<std::uint16_t>(last_id_ % 50 + 1); // Few, so that they come again soon.
            const packet_id id{last_id_};
            if (std::none_of(outbox_.begin(), outbox_.end(), [&](const outgoing_message& m) { return m.id == id; })) return id;
        }
    }

    std::mt19937& random_;
    protocol_version version_ = v5;
    bool connected_ = false, has_session_ = false;
    std::size_t quota_ = 0;
    std::string in_{};
    std::deque<std::pair<packet, packet_id>> acks_{}; // With the identifier whose unit of the quota is given back.
    std::set<packet_id> open_{}, inbound_{};
    std::map<name, packet_id> seen_{};
    std::deque<outgoing_message> outbox_{};
    std::map<std::string, unsigned> last_number_{};
    std::uint16_t last_id_ = 0;
};

session_options options_of(unsigned seed) {
    session_options options = test_options();
    options.keep_session = seed % 4 != 0;
    options.receive_maximum = client_receive_maximum;
    options.max_inflight_messages = seed % 3 == 0 ? 3 : 0;
    options.first_packet_id = seed % 2 == 0 ? 65'530 : 1;
    return options;
}

class world {
public:
    explicit world(unsigned seed)
        : random_(seed), version_(seed % 2 == 0 ? v5 : v3), changes_version_(seed % 16 == 5), losses_(seed % 3 != 1),
          session_(options_of(seed)), server_(random_) {}

    void run() {
        for (int i = 0; i != 400; ++i) step();
        settle();
        check_promises();
    }

    client_session<>& session() { return session_; }

private:
    struct wish {
        name what;
        inflight::qos qos{};
        unsigned outcomes = 0;
        errc error = errc::none;
    };

    void step() {
        const auto dice = random_() % 100;
        if (dice < 20) publish_one();
        else if (dice < 40) write(random_() % 4 == 0 ? random_() % 30 : 100'000);
        else if (dice < 55) to_server(random_() % 4 == 0 ? random_() % 30 : 100'000);
        else if (dice < 65) make_message();
        else if (dice < 75) server_.flush(random_() % 5);
        else if (dice < 87) to_client(random_() % 4 == 0 ? random_() % 30 : 100'000);
        else if (dice < 94) acknowledge(random_() % 2 == 0);
        else if (dice < 95) request();
        else if (dice < 97) pass_time(std::chrono::milliseconds(random_() % 30'000));
        else if (dice < 99 && random_() % 2 == 0) cut();
        if (!is_open_ && random_() % 4 == 0) open();
    }

    // No more faults: everything that is under way arrives.
    void settle() {
        server_.refuses = false;
        for (int i = 0; i != 2000; ++i) {
            if (!is_open_) open();
            write(1'000'000);
            to_server(1'000'000);
            server_.flush(1'000);
            to_client(1'000'000);
            while (!pending_.empty()) acknowledge(true);
            if (i % 100 == 99) pass_time(10s);
            if (is_open_ && session_.is_connected() && session_.unsettled() == 0 && session_.open_requests() == 0 &&
                session_.output_empty() && session_.unacknowledged() == 0 && to_server_.empty() && server_.at_rest())
                return;
        }
        throw violation("the world comes to rest: " + std::to_string(session_.unsettled()) + " unsettled, " +
                        std::to_string(session_.open_requests()) + " requests, " + std::to_string(session_.unacknowledged()) +
                        " unacknowledged");
    }

    void check_promises() {
        for (const auto& [tag, w] : wishes_) {
            const std::string what = w.what.topic + " " + std::to_string(w.what.number);
            check(w.outcomes == 1, "one outcome for each publish: " + what);
            const unsigned count = server_.got.of(w.what);
            if (w.qos == qos::at_most_once) check(count <= 1, "QoS 0 arrives at most once: " + what);
            else check(count >= 1, "QoS 1 and 2 arrive at least once: " + what);
            if (w.qos == qos::exactly_once && !server_.has_lost && server_.refused.count(w.what) == 0)
                check(count == 1, "QoS 2 arrives once: " + what);
            check(w.error == errc::none || (w.qos == qos::at_most_once && w.error == errc::connection_lost),
                  "a publish is acknowledged: " + what + ", " + words(w.error));
        }
        for (const auto& [tag, outcomes] : requests_) check(outcomes == 1, "one outcome for each request");
        for (const auto& [what, level] : server_.accepted) {
            const unsigned count = got_.of(what);
            const std::string text = what.topic + " " + std::to_string(what.number);
            if (level != qos::at_least_once) check(count <= 1, "QoS 0 and 2 are delivered at most once: " + text);
            if (level != qos::at_most_once && server_.gave_up.count(what) == 0)
                check(count >= 1, "QoS 1 and 2 are delivered at least once: " + text);
        }
        check(session_.in_flight() == 0 && session_.waiting() == 0, "nothing is left");
    }

    std::string topic(const char* prefix, qos level) {
        return prefix + std::to_string(static_cast<int>(level)) + (random_() % 2 == 0 ? "/a" : "/b");
    }

    void publish_one() {
        const auto level = static_cast<qos>(random_() % 3);
        const std::string to = topic("up", level);
        const unsigned number = last_number_[to] + 1;
        const std::string payload = payload_of(number, random_() % 8 == 0 ? 5000 : 8);
        const auto got = session_.publish({.qos = level, .topic = to, .payload = payload}, ++last_tag_, version_, now_);
        check(bool(got), "publish is accepted");
        last_number_[to] = number;
        wishes_[last_tag_] = {{to, number}, level};
    }

    void make_message() {
        const auto level = static_cast<qos>(random_() % 3);
        server_.make_message(topic("down", level), level);
    }

    void request() {
        const bool subscribes = random_() % 2 == 0;
        const auto got = subscribes ? session_.subscribe({.subscriptions = {{.filter = "f"}}}, ++last_tag_, version_)
                                    : session_.unsubscribe({.filters = {"f"}}, ++last_tag_, version_);
        check(bool(got), "a request is accepted");
        requests_[last_tag_] = 0;
    }

    void write(std::size_t at_most) {
        if (!is_open_) return;
        std::size_t size = 0;
        for (const std::string_view piece : session_.output()) {
            const std::string_view part = piece.substr(0, at_most - size);
            to_server_.append(part);
            size += part.size();
            if (size == at_most) break;
        }
        session_.written(size, now_);
        take_events();
        if (session_.is_closing() && session_.output_empty()) close();
    }

    void to_server(std::size_t at_most) {
        const std::size_t n = std::min(at_most, to_server_.size());
        server_.receive(std::string_view(to_server_).substr(0, n));
        to_server_.erase(0, n);
    }

    void to_client(std::size_t at_most) {
        if (!is_open_) return;
        const std::size_t n = std::min(at_most, server_.out.size());
        inbox_.append(server_.out, 0, n);
        server_.out.erase(0, n);
        while (true) {
            const std::vector<char> exact(inbox_.begin(), inbox_.end());
            const std::size_t taken = session_.received({exact.data(), exact.size()}, now_);
            take_events();
            if (taken == 0) break;
            inbox_.erase(0, taken);
        }
        if (session_.is_closing()) close();
    }

    void close() {
        check(session_.close_reason() == errc::ack_timeout || session_.close_reason() == errc::keep_alive_timeout,
              "nothing but a timeout ends the connection: " + words(session_.close_reason()));
        cut();
    }

    void cut() {
        if (!is_open_) return;
        // What was written may still arrive at the server, all or some of it.
        if (random_() % 2 == 0) to_server(random_() % (to_server_.size() + 1));
        session_.transport_closed();
        take_events();
        is_open_ = false;
        to_server_.clear();
        inbox_.clear();
        if (losses_ && random_() % 4 == 0) server_.lose_session = true;
    }

    void open() {
        if (changes_version_) version_ = random_() % 2 == 0 ? v3 : v5;
        server_.accept_link(version_);
        session_.transport_opened(version_);
        is_open_ = true;
    }

    void acknowledge(bool in_order) {
        if (pending_.empty()) return;
        const auto which = pending_.begin() + static_cast<std::ptrdiff_t>(in_order ? 0 : random_() % pending_.size());
        const errc got = session_.acknowledge(*which);
        check(got == errc::none || got == errc::stale_delivery, "a delivery can be acknowledged once: " + words(got));
        pending_.erase(which);
    }

    void pass_time(std::chrono::milliseconds time) {
        now_ += time;
        if (const auto due = session_.deadline(); due && *due <= now_) session_.deadline_reached(now_);
        if (is_open_ && session_.is_closing()) write(1'000'000);
    }

    void take_events() {
        while (auto e = session_.next_event()) {
            if (const auto* m = std::get_if<event::message>(&*e)) {
                got_.add(name_of(m->packet));
                if (m->delivery.qos != qos::at_most_once) pending_.push_back(m->delivery);
            } else if (const auto* c = std::get_if<event::connected>(&*e)) {
                if (!c->session_present) server_.session_is_known();
            } else if (const auto* p = std::get_if<event::published>(&*e)) {
                wish& w = wishes_.at(p->tag);
                ++w.outcomes;
                w.error = p->error;
            } else if (const auto* r = std::get_if<event::replied>(&*e)) {
                if (r->tag != 0) ++requests_.at(r->tag);
                check(r->error == errc::none, "requests are answered");
            }
        }
    }

    std::mt19937 random_;
    protocol_version version_;
    bool changes_version_, losses_;
    time_point now_{std::chrono::hours(1)};
    client_session<> session_;
    server server_;
    bool is_open_ = false;
    std::string to_server_{}, inbox_{};
    arrivals got_{};
    std::deque<delivery> pending_{};
    std::map<operation, wish> wishes_{};
    std::map<operation, unsigned> requests_{};
    std::map<std::string, unsigned> last_number_{};
    operation last_tag_ = 0;
};

void run(unsigned seed) {
    INFO("seed " << seed);
    world w(seed);
    try {
        w.run();
    } catch (const violation& broken) {
        FAIL(broken.what());
    }
    if (seed >= 4) return;
    // All identifiers are free: each can be used once more.
    for (int i = 0; i != 65'535; ++i) REQUIRE(w.session().publish({.qos = qos::at_least_once, .topic = "t"}, 0, v5, {}));
}

} // namespace

// INFLIGHT_SEEDS="first count" in the environment runs others.
TEST_CASE("simulation: the promises hold in every world", "[session]") {
    unsigned first = 0, count = 300;
    if (const char* text = std::getenv("INFLIGHT_SEEDS")) std::istringstream(text) >> first >> count;
    for (unsigned i = 0; i != count; ++i) run(first + i);
}
