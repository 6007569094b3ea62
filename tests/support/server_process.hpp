// A server of the test's own: on a free port, its files in a directory of its own, stopped when it goes out of scope (or when
// the test dies, where setpriv is there to arrange that).
#pragma once

#include "watched.hpp"

#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <spawn.h>
#include <stdexcept>
#include <string>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

extern char** environ;

/// A port on which nobody listens, for the moment.
inline std::uint16_t free_port() {
    asio::io_context io;
    return asio::ip::tcp::acceptor(io, {asio::ip::address_v4::loopback(), 0}).local_endpoint().port();
}

class server_process {
public:
    server_process(const server_process&) = delete;
    server_process& operator=(const server_process&) = delete;
    virtual ~server_process() {
        end(SIGKILL);
        std::error_code ignored;
        std::filesystem::remove_all(directory_, ignored);
    }

    std::uint16_t port() const { return port_; }
    bool is_running() const { return pid_ > 0; }

    /// Politely: it may save what it has.
    void stop() { end(SIGTERM); }
    /// It has no time to save anything.
    void kill() { end(SIGKILL); }
    /// Again, on the same port.
    void start() {
        const auto limit = std::chrono::steady_clock::now() + patience;
        while (!try_start())
            if (std::chrono::steady_clock::now() > limit) throw std::runtime_error(name_ + " does not start again:\n" + log());
    }

    std::string log() const {
        std::ifstream in(directory_ / "log");
        return {std::istreambuf_iterator<char>(in), {}};
    }

    static bool is_installed(const std::string& name) { return !find(name).empty(); }

protected:
    explicit server_process(std::string name) : name_(std::move(name)) {
        std::string path = (std::filesystem::temp_directory_path() / ("inflight-" + name_ + '-')).string() + std::string(6, 'X');
        if (!::mkdtemp(path.data())) throw std::runtime_error("no temporary directory");
        directory_ = path;
    }

    /// What it is told on its command line, once its files are written.
    virtual std::vector<std::string> prepare() const = 0;

    /// To be called at the end of the constructor.
    void start_first() {
        for (int attempt = 0; attempt != 5; ++attempt) { // Somebody else may be quicker to take the port.
            port_ = free_port();
            if (try_start()) return;
        }
        throw std::runtime_error(name_ + " does not start:\n" + log());
    }

    const std::filesystem::path& directory() const { return directory_; }

private:
    static std::string find(const std::string& name) {
        const char* const path = std::getenv("PATH");
        std::string all = std::string(path ? path : "") + ":/usr/sbin:/usr/local/sbin";
        for (std::size_t begin = 0; begin < all.size();) {
            const std::size_t end = std::min(all.find(':', begin), all.size());
            const std::string file = all.substr(begin, end - begin) + '/' + name;
            if (::access(file.c_str(), X_OK) == 0) return file;
            begin = end + 1;
        }
        return {};
    }

    bool accepts() const {
        asio::io_context io;
        std::error_code error;
        asio::ip::tcp::socket(io).connect({asio::ip::address_v4::loopback(), port_}, error);
        return !error;
    }

    bool try_start() {
        std::vector<std::string> words = prepare();
        const std::string file = find(name_), log_file = (directory_ / "log").string();
        if (file.empty()) throw std::runtime_error(name_ + " is not installed");
        words.insert(words.begin(), file);
        const std::string setpriv = "/usr/bin/setpriv";
        if (::access(setpriv.c_str(), X_OK) == 0) words.insert(words.begin(), {setpriv, "--pdeathsig", "KILL", "--"});
        std::vector<char*> arguments;
        for (std::string& w : words) arguments.push_back(w.data());
        arguments.push_back(nullptr);

        posix_spawn_file_actions_t files;
        ::posix_spawn_file_actions_init(&files);
        ::posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
        ::posix_spawn_file_actions_addopen(&files, 1, log_file.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
        ::posix_spawn_file_actions_adddup2(&files, 1, 2);
        const int bad = ::posix_spawn(&pid_, words.front().c_str(), &files, nullptr, arguments.data(), environ);
        ::posix_spawn_file_actions_destroy(&files);
        if (bad != 0) throw std::runtime_error("cannot start " + words.front());

        const auto limit = std::chrono::steady_clock::now() + patience;
        while (std::chrono::steady_clock::now() < limit) {
            const bool answered = accepts();
            if (::waitpid(pid_, nullptr, WNOHANG) == pid_) { // The port is taken, most likely.
                pid_ = 0;
                return false;
            }
            if (answered) return true;
            std::this_thread::sleep_for(std::chrono::milliseconds(5)); // Between two looks.
        }
        end(SIGKILL);
        return false;
    }

    void end(int signal) {
        if (pid_ <= 0) return;
        ::kill(pid_, signal);
        while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {}
        pid_ = 0;
    }

    std::string name_;
    std::filesystem::path directory_{};
    std::uint16_t port_ = 0;
    pid_t pid_ = 0;
};
