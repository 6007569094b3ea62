// Goes through all features with both clients and one broker, and prints a line for each:
//   works: NAME
//   not supported: NAME: what the broker answered
//   FAILED: NAME: why
// Exit status 0 unless one has failed.
#include "features/feature.hpp"

#include <atomic>
#include <charconv>
#include <future>
#include <iostream>
#include <random>
#include <thread>

namespace features {

namespace {

struct arguments {
    target broker{};
    std::string only{};    // Features with this in their names.
    std::string without{}; // The feature of that name is left out.
    std::size_t jobs = 8;

    arguments(int argc, char** argv) {
        for (int i = 1; i < argc; ++i) {
            const std::string name = argv[i];
            if (name == "--help") usage(EXIT_SUCCESS);
            if (++i == argc) usage(EXIT_FAILURE);
            const std::string value = argv[i];
            if (name == "--address") broker.where = address(value);
            else if (name == "--ca") broker.ca_file = value;
            else if (name == "--version") broker.version = version(value);
            else if (name == "--user") broker.user_name = value;
            else if (name == "--password") broker.password = value;
            else if (name == "--only") only = value;
            else if (name == "--without") without = value;
            else if (name == "--jobs") jobs = number<std::size_t>(value);
            else usage(EXIT_FAILURE);
        }
    }

private:
    [[noreturn]] static void usage(int status) {
        (status == EXIT_SUCCESS ? std::cout : std::cerr)
            << "features: what works with a broker\n"
               "  --address ADDRESS   broker (mqtt://localhost)\n"
               "  --ca FILE           certificates of the authority that its own comes from\n"
               "  --version 3.1.1|5   protocol version (5)\n"
               "  --user, --password  credentials\n"
               "  --only TEXT         features with TEXT in their names\n"
               "  --without NAME      all but that feature\n"
               "  --jobs NUMBER       at a time (8)\n";
        std::exit(status);
    }
    template <class T> static T number(const std::string& value) {
        T out = 0;
        const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), out);
        if (error != std::errc{} || end != value.data() + value.size() || out == 0) usage(EXIT_FAILURE);
        return out;
    }
    static inflight::broker address(const std::string& value) {
        const auto where = parse_broker(value);
        if (!where) usage(EXIT_FAILURE);
        return *where;
    }
    static protocol_version version(const std::string& value) {
        if (value == "3.1.1") return protocol_version::v3_1_1;
        if (value == "5") return protocol_version::v5;
        usage(EXIT_FAILURE);
    }
};

// One feature with one of the clients: empty if it works.
struct verdict {
    enum class sort : std::uint8_t { works, not_supported, failed } what = sort::works;
    std::string why{};
};

verdict judge(const feature& f, const target& broker, kind which, std::size_t number) {
    try {
        f.run(setting(broker, which, number));
        return {};
    } catch (const features::not_supported& e) {
        return {verdict::sort::not_supported, e.what()};
    } catch (const std::exception& e) {
        return {verdict::sort::failed, e.what()};
    }
}

// Both clients must come to the same.
verdict judge(const feature& f, const target& broker, std::size_t number) {
    if (f.needs_v5 && broker.version == protocol_version::v3_1_1)
        return {verdict::sort::not_supported, "MQTT 3.1.1 has no such thing"};
    const verdict one = judge(f, broker, kind::client, number);
    const verdict other = judge(f, broker, kind::async_client, number);
    const bool failed = one.what == verdict::sort::failed || other.what == verdict::sort::failed;
    if (one.what == other.what && !failed) return one;
    const auto words = [](const verdict& v) { return v.what == verdict::sort::works ? "works" : v.why; };
    return {verdict::sort::failed, "client: " + words(one) + "; async_client: " + words(other)};
}

feature_list all() {
    feature_list out;
    for (const auto group : {message_features, retained_and_will_features, session_features, subscription_features,
                             property_features, limit_features, connection_features,
                             acknowledgement_features})
        for (feature& f : group()) out.push_back(std::move(f));
    return out;
}

// Why there is no talking in this version, if that is so.
std::string refusal(const target& broker) {
    const setting s(broker, kind::client, 0);
    client_options o = s.options("probe");
    o.retry_first_connection = false;
    const connect_result r = s.make(o)->connect();
    return r.error ? r.error.message() : "";
}

int run(const arguments& args) {
    target broker = args.broker;
    broker.run = text(std::random_device{}() % 100'000) + 'f';
    const std::string version = broker.version == protocol_version::v5 ? "MQTT 5.0" : "MQTT 3.1.1";
    if (const std::string why = refusal(broker); !why.empty()) {
        std::cout << "not supported: " << version << ": " << why << std::endl;
        return EXIT_SUCCESS;
    }
    feature_list list = all();
    std::erase_if(list, [&](const feature& f) {
        return f.name.find(args.only) == std::string::npos || f.name == args.without;
    });

    std::vector<std::promise<verdict>> verdicts(list.size());
    std::atomic<std::size_t> taken = 0;
    const auto work = [&] {
        for (std::size_t i = taken++; i < list.size(); i = taken++)
            verdicts[i].set_value(judge(list[i], broker, i + 1));
    };
    std::vector<std::thread> workers;
    for (std::size_t i = 0; i != args.jobs; ++i) workers.emplace_back(work);
    bool good = !list.empty();
    for (std::size_t i = 0; i != list.size(); ++i) { // In the order of the list.
        const verdict v = verdicts[i].get_future().get();
        good &= v.what != verdict::sort::failed;
        constexpr const char* labels[] = {"works: ", "not supported: ", "FAILED: "};
        std::cout << labels[static_cast<int>(v.what)] << list[i].name << (v.why.empty() ? "" : ": ") << v.why << std::endl;
    }
    for (std::thread& w : workers) w.join();
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}

} // namespace

} // namespace features

int main(int argc, char** argv) { return features::run(features::arguments(argc, argv)); }
