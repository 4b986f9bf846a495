// SPDX-License-Identifier: Apache-2.0
#include "proxy/router.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "base/log.h"
#include "base/text.h"
#include "proxy/client.h"
#include "proxy/limits.h"
#include "proxy/vm.h"

namespace cc::proxy {

namespace {
// More are in use only in turns with output of many processes; one holds what comes of one read,
// in a string that has grown by doubling.
constexpr size_t kSpares = 4;
constexpr size_t kMaxSpareSize = 512 * 1024;
}  // namespace

Router::Router(World& world, std::string url) : world_(world), url_(std::move(url)) {}

Router::~Router() {
    ++depth_;  // nobody settles any more
    clients_.clear();
    registered_.clear();
    vms_.clear();
    buried_.clear();
}

bool Router::AddClient(std::unique_ptr<Stream> stream, uid_t user, std::string token) {
    const Turn turn(*this);
    const auto of_user = users_.find(user);
    const size_t theirs = of_user == users_.end() ? 0 : of_user->second.clients;
    if (clients_.size() >= kMaxClients || (user != 0 && theirs >= kMaxClientsPerUser)) {
        ++counters_.connections_refused;
        if (MayLogRefusal())
            Log(LogLevel::kWarn, "refused a connection: too many", {{"user", Cat(user)}});
        return false;
    }
    ++users_[user].clients;
    ++counters_.connections;
    const uint64_t number = ++last_client_;
    const auto client = std::make_shared<Client>(*this, number, user, std::move(token));
    clients_.emplace(number, client);
    client->Open(std::move(stream));
    if (LogEnabled(LogLevel::kDebug))
        Log(LogLevel::kDebug, "client connected", {{"client", Cat(number)}, {"user", Cat(user)}});
    return true;
}

// Of all that are refused in a second, the first: whoever is refused may try again at once.
bool Router::MayLogRefusal() {
    const auto second = std::chrono::floor<std::chrono::seconds>(world_.Now());
    return std::exchange(refusal_logged_, second) != second;
}

void Router::Adopt(const VmRecord& record) {
    const Turn turn(*this);
    const std::string& id = record.request.container_id;
    if (!record.unregistered && registered_.contains(id)) return world_.RemoveRecord(record.name);
    const auto vm = std::make_shared<Vm>(*this, record);
    vms_.emplace(vm.get(), vm);
    if (!record.unregistered) registered_.emplace(id, vm);
    vm->Connect();
}

void Router::AdoptionEnded(Vm& vm) {
    std::vector<std::shared_ptr<Client>> clients;
    for (const auto& [number, client] : clients_)
        clients.push_back(client);
    for (const auto& client : clients)
        client->AdoptionEnded(vm);
}

void Router::WillSave(Vm& vm) {
    if (std::find(unsaved_.begin(), unsaved_.end(), &vm) == unsaved_.end()) unsaved_.push_back(&vm);
}

void Router::RunDeadlines() {
    const Turn turn(*this);
    const auto now = world_.Now();
    while (const auto action = deadlines_.TakeDue(now))
        action();
}

Router::Counts Router::counts() const {
    return {clients_.size(), registered_.size(), vms_.size(), tokens_.size(), served_any_};
}

Client* Router::FindClient(uint64_t number) {
    const auto found = clients_.find(number);
    return found == clients_.end() ? nullptr : found->second.get();
}

void Router::RemoveClient(Client& client) {
    const auto found = clients_.find(client.number());
    if (found == clients_.end()) return;
    Bury(std::move(found->second));
    clients_.erase(found);
    if (--users_[client.user()].clients == 0) users_.erase(client.user());
}

void Router::CountBufferedInput(size_t before, size_t now) {
    buffered_input_ += now - before;
    if (now <= before || buffered_input_ <= kMaxBufferedInput) return;
    if (Client* client = LargestHolder()) client->CloseForInput();
}

// Of the user who holds most in all: who has many connections could else hold a little in each,
// and have others cut off.
Client* Router::LargestHolder() const {
    std::unordered_map<uid_t, size_t> of_users;
    for (const auto& [number, client] : clients_)
        of_users[client->user()] += client->unserved();
    const auto key = [&](const Client& client) {
        return std::tuple(of_users[client.user()], client.unserved(), client.number());
    };
    Client* largest = nullptr;
    for (const auto& [number, client] : clients_)
        if (largest == nullptr || key(*client) > key(*largest)) largest = client.get();
    return largest;
}

std::shared_ptr<Vm> Router::FindVm(const std::string& id) {
    const auto found = registered_.find(id);
    return found == registered_.end() ? nullptr : found->second;
}

Result<void> Router::CheckNewVm(const std::string& id) const {
    if (registered_.contains(id)) return Fail(Cat(id, ": container already registered"));
    if (vms_.size() >= kMaxVms)
        return Fail(Cat("there are ", vms_.size(), " VMs already, more are not allowed"));
    return {};
}

void Router::AddVm(const std::shared_ptr<Vm>& vm) {
    registered_.emplace(vm->id(), vm);
    vms_.emplace(vm.get(), vm);
}

void Router::UnregisterVm(Vm& vm) {
    const auto found = registered_.find(vm.id());
    if (found == registered_.end() || found->second.get() != &vm) return;
    Bury(std::move(found->second));
    registered_.erase(found);
}

void Router::RemoveVm(Vm& vm) {
    UnregisterVm(vm);
    const auto found = vms_.find(&vm);
    if (found == vms_.end()) return;
    Bury(std::move(found->second));
    vms_.erase(found);
}

void Router::Forget(Endpoint& endpoint) {
    std::erase(dirty_, &endpoint);
    std::erase_if(ended_, [&](const auto& entry) { return entry.first == &endpoint; });
    std::erase_if(runnable_, [&](const Client* client) { return client == &endpoint; });
}

std::string Router::TakeSpare() {
    if (spares_.empty()) return {};
    std::string spare = std::move(spares_.back());
    spares_.pop_back();
    return spare;
}

void Router::GiveSpare(std::string bytes) {
    if (spares_.size() >= kSpares || bytes.capacity() > kMaxSpareSize) return;
    bytes.clear();
    spares_.push_back(std::move(bytes));
}

void Router::Settle() {
    while (true) {
        // Everything that can go on does so before anything is written: one write takes it all.
        if (!runnable_.empty()) {
            Client* client = runnable_.back();
            runnable_.pop_back();
            client->Serve();
        } else if (!ended_.empty()) {
            const auto [endpoint, how] = std::move(ended_.back());
            ended_.pop_back();
            if (endpoint->open()) endpoint->Ended(how);
        } else if (!unsaved_.empty()) {
            Vm* vm = unsaved_.back();
            unsaved_.pop_back();
            vm->Save();
        } else if (!dirty_.empty()) {
            Endpoint* endpoint = dirty_.back();
            dirty_.pop_back();
            endpoint->Flush();
        } else if (!buried_.empty()) {
            const auto buried = std::exchange(buried_, {});
        } else {
            return;
        }
    }
}

}  // namespace cc::proxy
