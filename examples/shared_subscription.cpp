// Three workers share a subscription: the broker gives each message to one of them.
#include <inflight/client.hpp>

#include "arguments.hpp"

#include <condition_variable>
#include <vector>

// What the workers, each on a thread of its own, have done together.
struct progress {
    std::mutex mutex{};
    std::condition_variable changed{};
    int subscribed = 0, done = 0;
    bool failed = false;

    template <class F>
    void note(F&& f) {
        const std::lock_guard lock(mutex);
        f();
        changed.notify_all();
    }
    template <class Done>
    bool wait(Done&& is_done) {
        std::unique_lock lock(mutex);
        const auto ends = [&] { return failed || is_done(); };
        return changed.wait_for(lock, std::chrono::seconds(10), ends) && !failed;
    }
};

int main(int argc, char** argv) {
    arguments args(argc, argv, "three workers share the messages of a topic");
    args.options.client_id.clear(); // Each has an identifier of its own.
    const int count = args.count == 0 ? 30 : args.count;
    progress all;
    std::vector<int> done(3);
    std::vector<std::unique_ptr<inflight::client>> team;

    for (int& mine : done) {
        auto& worker = *team.emplace_back(std::make_unique<inflight::client>(args.options));
        worker.on_message([&](const inflight::received_message&) { all.note([&] { ++mine, ++all.done; }); });
        worker.on_subscribe([&](const inflight::subscribe_outcome& outcome) {
            const bool is_refused = outcome.error || is_refusal(outcome.reasons.front());
            all.note([&] { is_refused ? all.failed = true : (++all.subscribed, true); });
        });
        if (const auto error = worker.connect(args.host, args.port)) {
            std::cerr << "Cannot connect to " << args.where() << ": " << error.message() << '\n';
            return EXIT_FAILURE;
        }
        worker.loop_start();
        worker.subscribe("$share/workers/" + args.topic, args.qos);
    }
    if (!all.wait([&] { return all.subscribed == 3; })) {
        std::cerr << "Cannot subscribe\n";
        return EXIT_FAILURE;
    }

    for (int i = 0; i != count; ++i) // Anybody may publish; here it is the first worker.
        team.front()->publish(args.topic, "job " + std::to_string(i), args.qos);
    const bool is_complete = all.wait([&] { return all.done == count; });
    for (auto& worker : team) worker->disconnect();
    for (std::size_t i = 0; i != done.size(); ++i)
        std::cout << "Worker " << i + 1 << ": " << done[i] << " messages" << std::endl;
    if (!is_complete) std::cerr << "Only " << all.done << " of " << count << " messages have come\n";
    return is_complete ? EXIT_SUCCESS : EXIT_FAILURE;
}
