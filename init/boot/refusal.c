/* A mount that is refused: by whom, and what the person who started the container can do about it. */
#include "mounts.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/prctl.h>

static const char remedy_cap[] = "docker run: add --cap-add SYS_ADMIN (and --cap-add NET_ADMIN).\n"
				 "Kubernetes: securityContext.capabilities.add: [\"SYS_ADMIN\", \"NET_ADMIN\"].";
static const char remedy_apparmor[] =
	"docker run: add --security-opt apparmor=unconfined, or load the AppArmor profile that comes with this project "
	"on the host and name it there.\n"
	"Kubernetes: securityContext.appArmorProfile.type: Unconfined (or Localhost with our profile).";
static const char remedy_selinux[] = "docker or podman run: add --security-opt label=disable, or --security-opt "
				     "label=type:TYPE with a type that may "
				     "mount, and mount the volume with :Z.\n"
				     "Kubernetes: securityContext.seLinuxOptions.type: TYPE (spc_t may).";
static const char remedy_seccomp[] =
	"The container engine's seccomp profile does not know this system call: use Docker 20.10 or newer, or a "
	"profile "
	"that allows mount, move_mount, open_tree, fsopen, fsconfig, fsmount and mount_setattr with SYS_ADMIN "
	"(--security-opt seccomp=FILE).";
static const char remedy_kernel[] =
	"The host's kernel must be Linux 5.6 or newer, and a real one: sandboxes like gVisor lack these system calls.";
static const char remedy_memory[] = "Give the container more memory.";
static const char remedy_other[] =
	"See the host's kernel log (dmesg, journalctl -k) for who refused it, and `zctl log` for what went before.";

void refusal_explain(const struct refusal *r, char *who, size_t who_size, const char **remedy)
{
	bool labelled = r->label[0] && strncmp(r->label, "unconfined", 10) != 0;
	/* An SELinux context is user:role:type:level; an AppArmor label is "profile (mode)". */
	bool selinux = labelled && strchr(r->label, ':') && !strchr(r->label, ' ');

	who[0] = '\0';
	*remedy = remedy_other;
	if (r->error == ENOSYS || r->error == ENODEV) {
		*remedy = remedy_kernel;
	} else if (r->error == ENOMEM) {
		*remedy = remedy_memory;
	} else if (r->error != EPERM && r->error != EACCES) {
		return;
	} else if (!r->sys_admin) {
		(void)snprintf(who, who_size, "the container lacks the capability SYS_ADMIN");
		*remedy = remedy_cap;
	} else if (labelled && r->error == EACCES) {
		/* Both modules answer EACCES to a mount; the capability check and seccomp answer EPERM. */
		(void)snprintf(who, who_size, "%s \"%s\"", selinux ? "SELinux context" : "AppArmor profile", r->label);
		*remedy = selinux ? remedy_selinux : remedy_apparmor;
	} else if (r->seccomp && r->error == EPERM) {
		(void)snprintf(who, who_size, "most likely the engine's seccomp profile");
		*remedy = remedy_seccomp;
	}
}

void refusal_look(int error, struct refusal *out)
{
	_cleanup_close_ int fd = open("/proc/self/attr/current", O_RDONLY | O_CLOEXEC);
	cap_t caps = cap_get_proc();
	cap_flag_value_t v = CAP_CLEAR;
	ssize_t n;

	memset(out, 0, sizeof(*out));
	out->error = error;
	if (caps) {
		(void)cap_get_flag(caps, CAP_SYS_ADMIN, CAP_EFFECTIVE, &v);
		(void)cap_free(caps);
	}
	out->sys_admin = v == CAP_SET;
	out->seccomp = prctl(PR_GET_SECCOMP) > 0;
	n = fd < 0 ? -1 : read(fd, out->label, sizeof(out->label) - 1);
	/* No such module: EINVAL. Both end the label with '\0' or '\n'. */
	out->label[n > 0 ? strcspn(out->label, "\n") : 0] = '\0';
}

int mount_failed(struct failure *f, int r, const char *what, const char *where)
{
	struct refusal facts;
	const char *remedy;
	char who[384];

	refusal_look(-r, &facts);
	refusal_explain(&facts, who, sizeof(who), &remedy);
	return failure_set(f, r == -ENOMEM || r == -EAGAIN ? FAILURE_RETRY : FAILURE_FATAL, remedy,
			   "cannot mount %s on %s: %s%s%s%s", what, where, strerror(-r), who[0] ? " (refused by: " : "",
			   who, who[0] ? ")" : "");
}
