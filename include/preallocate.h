/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PREALLOCATE_H
#define PREALLOCATE_H

#endif
