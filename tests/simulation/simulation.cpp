// inflight_simulation: runs worlds made from seeds. See usage().
#include "world.hpp"

#ifdef INFLIGHT_SIMULATION_LAYERS
#include "layers.hpp"
#endif

#include <atomic>
#include <charconv>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iostream>
#include <mutex>
#include <thread>

#include <unistd.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

namespace {

constexpr const char* usage = R"(Usage: inflight_simulation [--seeds N] [--first F] [--jobs J] [--layers L]
       inflight_simulation --seed S [--layers L]

Runs a client session against a server, each seed a world of its own on virtual time, and checks what the library
promises. First, always, the seeds that once failed (seeds.txt); then N seeds from F on (1000, from 1), on J threads
(1). With --seed S: that world only, with its trace. L is what stands between MQTT and the network: tls, websocket,
secure_websocket; nothing otherwise.

Exit status: 0 if every promise was kept, 1 if not, 2 for arguments that are not listed here.
)";

struct arguments {
    std::uint64_t seeds = 1'000, first = 1, jobs = 1;
    std::optional<std::uint64_t> only{};
    std::string layers{};
};

constexpr std::array layer_names{"", "tls", "websocket", "secure_websocket"};

std::optional<arguments> parse(int argc, char** argv) {
    arguments out;
    for (int i = 1; i < argc; i += 2) {
        const std::string_view name = argv[i], text = i + 1 < argc ? argv[i + 1] : "";
        if (name == "--layers") {
            out.layers = text;
            if (std::find(layer_names.begin() + 1, layer_names.end(), text) == layer_names.end()) return std::nullopt;
            continue;
        }
        std::uint64_t value = 0;
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
        if (text.empty() || error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
        if (name == "--seeds") out.seeds = value;
        else if (name == "--first") out.first = value;
        else if (name == "--jobs" && value != 0) out.jobs = value;
        else if (name == "--seed") out.only = value;
        else return std::nullopt;
    }
    return out;
}

// An assertion of the library ends the program: the seed must be known then too.
thread_local std::uint64_t current_seed = 0;

extern "C" void on_crash(int signal) {
    std::array<char, 96> text{};
    char* end = std::copy_n("The world crashed: --seed ", 26, text.data());
    end = std::to_chars(end, text.data() + text.size() - 1, current_seed).ptr;
    *end++ = '\n';
    if (write(STDERR_FILENO, text.data(), static_cast<std::size_t>(end - text.data())) < 0) std::_Exit(signal);
    std::signal(signal, SIG_DFL);
    std::raise(signal);
}

/// The number of messages, or what is wrong.
struct outcome {
    std::size_t messages = 0;
    std::string failure{};
};

std::function<simulation::layers()> layers_for([[maybe_unused]] std::uint64_t seed, const std::string& name) {
    if (name.empty()) return {};
#ifdef INFLIGHT_SIMULATION_LAYERS
    const auto kind = std::find(layer_names.begin(), layer_names.end(), name) - layer_names.begin();
    const auto source = std::make_shared<simulation::layer_source>(static_cast<simulation::layer_kind>(kind), seed);
    return [source] { return (*source)(); };
#else
    throw simulation::violation("this program has been built without OpenSSL or wslay");
#endif
}

outcome run(std::uint64_t seed, const std::string& layers, std::ostream* trace) {
    current_seed = seed;
    simulation::world w(seed, trace, layers_for(seed, layers));
    try {
        w.run();
    } catch (const simulation::violation& broken) {
        return {w.messages(), broken.what()};
    }
    return {w.messages(), {}};
}

int replay(std::uint64_t seed, const std::string& layers) {
    const outcome got = run(seed, layers, &std::cout);
    if (got.failure.empty()) std::cout << "seed " << seed << " passed, " << got.messages << " messages\n";
    else std::cout << "seed " << seed << " FAILED: " << got.failure << '\n';
    return got.failure.empty() ? 0 : 1;
}

std::vector<std::uint64_t> seeds_that_failed() {
    std::vector<std::uint64_t> out;
    std::ifstream file(INFLIGHT_SEEDS_FILE);
    for (std::string line; std::getline(file, line);)
        if (!line.empty() && line.front() != '#') out.push_back(std::strtoull(line.c_str(), nullptr, 10));
    return out;
}

/// Runs all seeds on some threads.
class campaign {
public:
    campaign(std::vector<std::uint64_t> known, const arguments& a) : known_(std::move(known)), arguments_(a) {}

    int run_all() {
        const auto start = std::chrono::steady_clock::now();
        std::vector<std::jthread> workers;
        for (std::uint64_t i = 1; i < arguments_.jobs; ++i) workers.emplace_back([this] { work(); });
        work();
        workers.clear();
        const std::chrono::duration<double> time = std::chrono::steady_clock::now() - start;
        report(time.count());
        return failed_.empty() ? 0 : 1;
    }

private:
    static constexpr std::size_t enough = 20; // Failures.

    void work() {
        const std::uint64_t count = known_.size() + arguments_.seeds;
        for (std::uint64_t i = next_++; i < count && failures_ < enough; i = next_++) {
            const std::uint64_t seed = i < known_.size() ? known_[i] : arguments_.first + i - known_.size();
            const outcome got = run(seed, arguments_.layers, nullptr);
            messages_ += got.messages;
            ++done_;
            if (!got.failure.empty()) note(seed, got.failure);
        }
    }

    void note(std::uint64_t seed, const std::string& failure) {
        const std::lock_guard lock(mutex_);
        ++failures_;
        failed_.emplace_back(seed, failure);
        std::cout << "seed " << seed << " FAILED: " << failure << std::endl;
    }

    // The failure that is easiest to read is as good as any: the first, with its whole trace.
    void report(double seconds) {
        if (!failed_.empty()) {
            std::cout << "\nThe trace of seed " << failed_.front().first << ":\n\n";
            (void)replay(failed_.front().first, arguments_.layers);
            std::cout << "\nTo see it again: tests/run.sh simulation --seed " << failed_.front().first
                      << (arguments_.layers.empty() ? "" : " --layers " + arguments_.layers) << "\n";
        }
        const double worlds = static_cast<double>(done_), messages = static_cast<double>(messages_);
        std::cout << std::fixed << std::setprecision(0) << done_ << " seeds, " << failed_.size() << " failed; "
                  << messages << " messages in " << std::setprecision(1) << seconds << " s on " << arguments_.jobs
                  << " threads: " << std::setprecision(0) << worlds / seconds << " seeds/s, " << messages / seconds
                  << " msgs/s\n";
    }

    const std::vector<std::uint64_t> known_;
    const arguments arguments_;
    std::atomic<std::uint64_t> next_{0}, done_{0}, messages_{0};
    std::atomic<std::size_t> failures_{0};
    std::mutex mutex_{};
    std::vector<std::pair<std::uint64_t, std::string>> failed_{};
};

} // namespace

int main(int argc, char** argv) {
    const auto a = parse(argc, argv);
    if (!a) {
        std::cerr << usage;
        return 2;
    }
    for (const int signal : {SIGABRT, SIGSEGV}) std::signal(signal, on_crash);
#ifdef __GLIBC__
    mallopt(M_PERTURB, 0xA5); // Bytes that are freed while they are still to be written do not stay as they were.
#endif
    if (a->only) return replay(*a->only, a->layers);
    return campaign(seeds_that_failed(), *a).run_all();
}
