/*
 * What program.c needs of the machine it runs on. A machine is one start-up file (and a linker script
 * where there is no operating system) that offers these and calls program().
 */
#ifndef TARGET_H
#define TARGET_H

/* The whole test; 0 when everything held. */
int program(void);

/* Prints a text that ends with 0. */
void target_write(const char *text);

/* Sets or clears flush-to-zero (and denormals-are-zero); returns 0 where the machine has no such mode. */
int target_flush_to_zero(int on);

/* The lowest byte of the stack that program() runs on. */
extern unsigned char target_stack[];

#endif
