/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/capability.h"

#include "base/sys.h"

#include <errno.h>
#include <linux/capability.h>
#include <sys/syscall.h>

static int ask(long number, struct __user_cap_data_struct *sets)
{
	struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};

	return sys.syscall(number, &header, sets) < 0 ? -errno : 0;
}

int capabilities_get(struct capabilities *now)
{
	struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3] = {{0}};
	int ret = ask(SYS_capget, sets);

	*now = (struct capabilities){0, 0};
	if (ret < 0)
		return ret;
	now->permitted = sets[0].permitted | (uint64_t)sets[1].permitted << 32;
	now->effective = sets[0].effective | (uint64_t)sets[1].effective << 32;
	return 0;
}

int capabilities_lower(const struct capabilities *most, struct capabilities *now)
{
	struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3] = {{0}};
	struct capabilities had;
	int ret = capabilities_get(&had);

	if (ret < 0)
		return ret;
	now->permitted = had.permitted & most->permitted;
	now->effective = had.effective & most->effective & now->permitted;
	if (now->permitted == had.permitted && now->effective == had.effective)
		return 0;
	for (int i = 0; i < _LINUX_CAPABILITY_U32S_3; i++) {
		sets[i].permitted = (uint32_t)(now->permitted >> 32 * i);
		sets[i].effective = (uint32_t)(now->effective >> 32 * i);
	}
	return ask(SYS_capset, sets);
}
