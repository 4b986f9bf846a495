// SPDX-License-Identifier: Apache-2.0
#include "agent/executor/users.h"

#include <algorithm>
#include <optional>

#include "base/text.h"

namespace cc::agent {

namespace {

struct Account {
    std::string name;
    uint32_t uid;
    uint32_t gid;
    std::string home;
};
struct Group {
    std::string name;
    uint32_t gid;
    std::vector<std::string> members;
};

// The fields of each line of a file like /etc/passwd that has at least `count` of them.
std::vector<std::vector<std::string>> Lines(std::string_view text, size_t count) {
    std::vector<std::vector<std::string>> lines;
    for (const auto& line : Split(text, '\n')) {
        auto fields = Split(line, ':');
        if (fields.size() >= count) lines.push_back(std::move(fields));
    }
    return lines;
}

std::vector<Account> Accounts(std::string_view passwd) {
    std::vector<Account> accounts;
    for (auto& fields : Lines(passwd, 6)) {
        const auto uid = ParseNumber<uint32_t>(fields[2]);
        const auto gid = ParseNumber<uint32_t>(fields[3]);
        if (uid && gid)
            accounts.push_back({std::move(fields[0]), *uid, *gid, std::move(fields[5])});
    }
    return accounts;
}

std::vector<Group> Groups(std::string_view group) {
    std::vector<Group> groups;
    for (auto& fields : Lines(group, 4))
        if (const auto gid = ParseNumber<uint32_t>(fields[2]))
            groups.push_back({std::move(fields[0]), *gid, Split(fields[3], ',')});
    return groups;
}

Result<uint32_t> FindGroup(const std::string& text, const std::vector<Group>& groups) {
    for (const auto& group : groups)
        if (group.name == text) return group.gid;
    if (const auto gid = ParseNumber<uint32_t>(text)) return *gid;
    return Fail(Cat("unable to find group ", Quoted(text, 64), " in the container's /etc/group"));
}

// Without a group of its own the process gets those that the two files give the user.
void AddMemberships(const std::string& name, const std::vector<Group>& groups, Identity& identity) {
    for (const auto& group : groups)
        if (std::find(group.members.begin(), group.members.end(), name) != group.members.end())
            identity.groups.push_back(group.gid);
}

Result<Identity> ResolveNames(const UserSpec& user, const std::vector<Account>& accounts,
                              const std::vector<Group>& groups) {
    const size_t colon = user.by_name.find(':');
    const std::string name = user.by_name.substr(0, colon);
    const std::string group = colon == std::string::npos ? "" : user.by_name.substr(colon + 1);
    const auto number = ParseNumber<uint32_t>(name);
    const auto account =
        std::find_if(accounts.begin(), accounts.end(), [&](const Account& candidate) {
            return number ? candidate.uid == *number : candidate.name == name;
        });
    Identity identity;
    if (account != accounts.end()) {
        identity.uid = account->uid;
        identity.gid = account->gid;
    } else if (number) {
        identity.uid = *number;
    } else if (!name.empty()) {
        return Fail(
            Cat("unable to find user ", Quoted(name, 64), " in the container's /etc/passwd"));
    }
    if (!group.empty()) {
        CC_ASSIGN(identity.gid, FindGroup(group, groups));
    } else if (account != accounts.end()) {
        AddMemberships(account->name, groups, identity);
    }
    for (const auto& additional : user.additional_groups) {
        CC_ASSIGN(const uint32_t gid, FindGroup(additional, groups));
        identity.groups.push_back(gid);
    }
    return identity;
}

}  // namespace

Result<Identity> ResolveUser(const UserSpec& user, std::string_view passwd,
                             std::string_view group) {
    const auto accounts = Accounts(passwd);
    Identity identity;
    if (user.by_name.empty() && user.additional_groups.empty()) {
        identity = {user.uid, user.gid, user.additional_gids, "/"};
    } else {
        CC_ASSIGN(identity, ResolveNames(user, accounts, Groups(group)));
    }
    for (const auto& account : accounts)
        if (account.uid == identity.uid && !account.home.empty()) {
            identity.home = account.home;
            break;
        }
    return identity;
}

}  // namespace cc::agent
