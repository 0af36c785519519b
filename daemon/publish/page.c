/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * page.c - see page.h. The daemon makes the memory and seals its size, so that no client can make a read of it fault
 * (a descriptor of the client's own making could be truncated, or block for ever).
 */
#include "publish/page.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

int page_create(struct lumaring_client_page **ret_page, int *ret_fd)
{
	int fd = memfd_create("lumaring-client-page", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	void *page;
	int r;

	if (fd < 0)
		return -errno;
	page = MAP_FAILED;
	if (ftruncate(fd, sizeof(struct lumaring_client_page)) == 0 && fchmod(fd, 0600) == 0 &&
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0)
		page = mmap(NULL, sizeof(struct lumaring_client_page), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_POPULATE, fd, 0);
	if (page == MAP_FAILED) {
		r = -errno;
		close(fd);
		return r;
	}
	*ret_page = page;
	*ret_fd = fd;
	return 0;
}

void page_destroy(struct lumaring_client_page *page)
{
	if (page)
		munmap(page, sizeof(*page));
}
