/* Training kernels for channels-last activations: one pass over memory each.
 *
 * x[n][h][w][c] is a convolution's output, y[n][ceil(h/2)][ceil(w/2)][c] what is left after
 * z = x*scale[c] + shift[c] (optional), ReLU and 2x2 SAME pooling; both bfloat16 or both float32, arithmetic
 * in float32. The backward pass needs one code byte per output: bits 0-1 are the largest pixel of the window (the
 * first of equal ones, or a NaN), bits 2-5 the pixels that pass the ReLU.
 *
 * Memory traffic in bytes per element of x (b = 2 or 4 a value; y is a quarter of x):
 *   FORWARD    reads b, writes b/4 + 1/4               stock: ReLU 2b, max 5b/4, average 5b/4, their mean 3b/4
 *   BACKWARD   reads b/4 + 1/4, writes b               stock: about 6b; with batch norm it also reads b
 *   MOMENTS    reads b (batch norm's sums of x, x^2)   SUMS reads b + b/4 + 1/4 (its sums of dz, dz*x)
 *   CONVOLVE   first layer, 3x3 over one channel: x is never stored; reads 4 an input pixel, writes b/4 + 1/4
 *   GRADIENT   of its filters and bias: reads b/4 + 1/4 and the pixels
 *   ADAM       per weight: reads 12 + gradient, writes 12 + copy; stock with casts to and fro: 44
 *
 * This file is compiled once for each instruction set (setup.py); all of them give the same bits. No torch headers and
 * no libgomp of its own: omp_* and GOMP_* resolve to the OpenMP runtime that torch has loaded, so that both use
 * the same threads. What is done per channel, not per pixel, is done in operators.py. */
#include <math.h>
#include <stdint.h>
#include <string.h>

extern int omp_get_thread_num(void), omp_get_num_threads(void);

#define INLINE static inline __attribute__((always_inline))
#define MAX_CHANNELS 1024
#define MAX_SIDE 32
#define PADDED (MAX_SIDE + 4)
#define PATCH 9
enum { FORWARD, BACKWARD, SUMS, MOMENTS, CONVOLVE, GRADIENT, PATCHES, ADAM };

/* The same as `Job` in library.py. */
struct job {
    long what, bf16, threads;
    long n, h, w, c, rows;               /* n images, or weights for Adam; rows of sums a thread */
    const void *x, *dy, *gradient;
    void *y, *dx, *copy;
    uint8_t *code;
    /* FORWARD z = x*scale + shift, BACKWARD dx = dz*scale + x*shift + offset; MOMENTS and SUMS take x - offset. */
    const float *scale, *shift, *offset;
    const float *filters, *bias;         /* [9][c], [c] */
    double *sums;                        /* [threads][rows][c], zero at first */
    float *master, *first, *second;
    float max_weight, average_weight;                   /* of each window's maximum and average */
    float weight_scale, step_size, beta1, beta2, variance_correction, epsilon, l2;
};

/* Vectors of sixteen lanes; the compiler splits them where registers are shorter. A row may end with fewer lanes. */
typedef float floats __attribute__((vector_size(64)));
typedef int32_t ints __attribute__((vector_size(64)));
typedef uint32_t words __attribute__((vector_size(64)));
typedef uint16_t halves __attribute__((vector_size(32)));
typedef uint8_t bytes __attribute__((vector_size(16)));
#define LANES 16
#define UNROLL _Pragma("GCC unroll 16")
#define EACH_VECTOR(i, count, ...)                                               \
    {                                                                            \
        long i = 0;                                                              \
        for (const long lanes = LANES; i + LANES <= (count); i += LANES) __VA_ARGS__ \
        if (i < (count)) { const long lanes = (count) - i; __VA_ARGS__ }         \
    }

INLINE floats load(const void *p, long i, long lanes, int bf16) {
    floats v = {0};
    halves half = {0};
    if (bf16) return memcpy(&half, (const uint16_t *)p + i, 2 * lanes), (floats)(__builtin_convertvector(half, words) << 16);
    return memcpy(&v, (const float *)p + i, 4 * lanes), v;
}

INLINE void store(void *p, long i, floats f, long lanes, int bf16) {
    if (!bf16) { memcpy((float *)p + i, &f, 4 * lanes); return; }
    words u = (words)f, nan = (words)(f != f);
    u = u + 0x7fff + ((u >> 16) & 1); /* to nearest, ties to even */
    halves v = __builtin_convertvector(((u & ~nan) | (0x7fc00000 & nan)) >> 16, halves);
    memcpy((uint16_t *)p + i, &v, 2 * lanes);
}

INLINE void add(double *sums, floats v, long lanes) {
    for (long l = 0; l < lanes; l++) sums[l] += v[l];
}

/* Offsets of the pixels of window (i, j) from its first, in row-major order; returns how many there are. */
INLINE int pixels(const struct job *a, long i, long j, long row, long column, long *at) {
    int down = 2 * i + 1 < a->h, right = 2 * j + 1 < a->w;
    at[0] = 0, at[1] = right ? column : row, at[2] = row, at[3] = row + column;
    return (1 + down) * (1 + right);
}

INLINE void pool(const struct job *a, const floats *z, void *y, uint8_t *code, long lanes, int pixel_count, int bf16) {
    const float max_weight = a->max_weight, average_weight = a->average_weight / pixel_count;
    floats best = {0}, total = {0};
    ints bits = {0};
    UNROLL for (int k = 0; k < pixel_count; k++) {
        ints positive = ~(ints)(z[k] <= 0);
        floats r = (floats)(positive & (ints)z[k]);
        ints take = k == 0 ? (ints){0} - 1 : (ints)(r > best) | (ints)(r != r);
        best = (floats)((take & (ints)r) | (~take & (ints)best));
        bits = (take & ((bits & ~3) | k)) | (~take & bits);
        bits |= positive & (4 << k);
        total = total + r;
    }
    /* A term of weight 0 is left out: infinity times 0 would be NaN. */
    store(y, 0,
          max_weight == 0       ? average_weight * total
          : average_weight == 0 ? max_weight * best
                                : max_weight * best + average_weight * total,
          lanes, bf16);
    bytes packed = __builtin_convertvector(__builtin_convertvector(bits, halves), bytes);
    memcpy(code, &packed, lanes);
}

INLINE ints unpack(const uint8_t *code, long lanes) {
    bytes packed = {0};
    memcpy(&packed, code, lanes);
    return __builtin_convertvector(__builtin_convertvector(packed, halves), ints); /* in one step it is scalar code */
}

/* The gradient at window pixel k. */
INLINE floats unpool(const struct job *a, floats dy, ints bits, int k, int pixel_count) {
    ints largest = (bits & 3) == k, positive = (bits & (4 << k)) != 0;
    if (a->average_weight == 0) positive &= largest; /* infinity times 0 would be NaN */
    floats weight = a->average_weight / pixel_count + (floats)(largest & (ints)((floats){0} + a->max_weight));
    return (floats)(positive & (ints)(dy * weight));
}

/* One window of activations, all channels; `o` is the index of its output, `p` that of its first pixel. */
INLINE void window(const struct job *a, long o, long p, const long *at, float *sums, int what, int pixel_count, int bf16,
                         int affine) {
    const long size = bf16 ? 2 : 4;
    EACH_VECTOR(c, a->c, {
        floats z[4], g = {0}, total = {0}, product = {0};
        ints bits = {0};
        if (what != FORWARD) g = load(a->dy, o + c, lanes, bf16), bits = unpack(a->code + o + c, lanes);
        UNROLL for (int k = 0; k < pixel_count; k++) {
            if (what != BACKWARD || affine) z[k] = load(a->x, p + at[k] + c, lanes, bf16);
            if (what == FORWARD && affine)
                z[k] = z[k] * load(a->scale, c, lanes, 0) + load(a->shift, c, lanes, 0);
            if (what == FORWARD) continue;
            if (what == SUMS) z[k] = z[k] - load(a->offset, c, lanes, 0);
            floats dz = unpool(a, g, bits, k, pixel_count);
            total = total + dz, product = product + dz * z[k];
            if (what == SUMS) continue;
            if (affine)
                dz = dz * load(a->scale, c, lanes, 0) + z[k] * load(a->shift, c, lanes, 0) +
                     load(a->offset, c, lanes, 0);
            store(a->dx, p + at[k] + c, dz, lanes, bf16);
        }
        if (what == FORWARD) pool(a, z, (char *)a->y + (o + c) * size, a->code + o + c, lanes, pixel_count, bf16);
        if (what == SUMS) {
            store(sums, c, load(sums, c, lanes, 0) + total, lanes, 0);
            store(sums, a->c + c, load(sums, a->c + c, lanes, 0) + product, lanes, 0);
        }
    })
}

INLINE void windows(const struct job *a, long begin, long end, int thread, int bf16, int what, int affine) {
    const long oh = (a->h + 1) / 2, ow = (a->w + 1) / 2;
    float sums[2 * MAX_CHANNELS]; /* of one image; the sum over images is in double */
    for (long n = begin; n < end; n++) {
        if (what == SUMS) memset(sums, 0, sizeof(float) * 2 * a->c);
        for (long i = 0; i < oh; i++)
            for (long j = 0; j < ow; j++) {
                long at[4], o = ((n * oh + i) * ow + j) * a->c, p = ((n * a->h + 2 * i) * a->w + 2 * j) * a->c;
                int pixel_count = pixels(a, i, j, a->w * a->c, a->c, at);
                if (pixel_count == 4) window(a, o, p, at, sums, what, 4, bf16, affine);
                else window(a, o, p, at, sums, what, pixel_count, bf16, affine); /* at odd edges */
            }
        for (long c = 0; what == SUMS && c < 2 * a->c; c++) a->sums[2 * thread * a->c + c] += sums[c];
    }
}

INLINE void moments(const struct job *a, long begin, long end, int thread, int bf16) {
    for (long n = begin; n < end; n++) EACH_VECTOR(c, a->c, {
        floats total = {0}, squares = {0}, offset = load(a->offset, c, lanes, 0);
        for (long p = n * a->h * a->w; p < (n + 1) * a->h * a->w; p++) {
            floats v = load(a->x, p * a->c + c, lanes, bf16) - offset;
            total = total + v, squares = squares + v * v;
        }
        add(a->sums + 2 * thread * a->c + c, total, lanes);
        add(a->sums + (2 * thread + 1) * a->c + c, squares, lanes);
    })
}

/* The first layer, image by image, its pixels padded with zeros; filters stay in registers. */
INLINE void convolve(const struct job *a, long begin, long end, int thread, int bf16, int what) {
    const long oh = (a->h + 1) / 2, ow = (a->w + 1) / 2, size = bf16 ? 2 : 4;
    float frame[PADDED * PADDED] = {0};
    double *sums = a->sums + thread * a->rows * a->c;
    for (long n = begin; n < end; n++) {
        for (long y = 0; y < a->h; y++)
            memcpy(frame + (y + 1) * PADDED + 1, (const float *)a->x + (n * a->h + y) * a->w, sizeof(float) * a->w);
        EACH_VECTOR(c, a->c, {
            floats f[PATCH + 1] = {0};
            for (int t = 0; t < PATCH && what == CONVOLVE; t++) f[t] = load(a->filters, t * a->c + c, lanes, 0);
            if (what == CONVOLVE) f[PATCH] = load(a->bias, c, lanes, 0);
            for (long i = 0; i < oh; i++)
                for (long j = 0; j < ow; j++) {
                    long at[4], o = ((n * oh + i) * ow + j) * a->c + c;
                    const int pixel_count = pixels(a, i, j, PADDED, 1, at);
                    const float *p = frame + 2 * i * PADDED + 2 * j;
                    floats z[4], g = {0};
                    ints bits = {0};
                    if (what == GRADIENT) g = load(a->dy, o, lanes, bf16), bits = unpack(a->code + o, lanes);
                    for (int k = 0; k < pixel_count; k++) {
                        z[k] = what == CONVOLVE ? f[PATCH] : unpool(a, g, bits, k, pixel_count);
                        UNROLL for (int t = 0; t < PATCH; t++) {
                            float pixel = p[at[k] + t / 3 * PADDED + t % 3];
                            if (what == CONVOLVE) z[k] = z[k] + f[t] * pixel;
                            else f[t] = f[t] + z[k] * pixel;
                        }
                        if (what == GRADIENT) f[PATCH] = f[PATCH] + z[k];
                    }
                    if (what == CONVOLVE) pool(a, z, (char *)a->y + o * size, a->code + o, lanes, pixel_count, bf16);
                }
            for (int t = 0; t <= PATCH && what == GRADIENT; t++) add(sums + t * a->c + c, f[t], lanes);
        })
    }
}

/* Sums over all 3x3 patches of the products of every two of their pixels, and of each pixel with 1. */
INLINE void patches(const struct job *a, long begin, long end, int thread, int bf16) {
    (void)bf16; /* pixels are float32 */
    float frame[PADDED * PADDED + LANES] = {0};
    double *sums = a->sums + thread * (PATCH + 1) * (PATCH + 1);
    for (long n = begin; n < end; n++) {
        floats product[PATCH + 1][PATCH + 1] = {0};
        for (long y = 0; y < a->h; y++)
            memcpy(frame + (y + 1) * PADDED + 1, (const float *)a->x + (n * a->h + y) * a->w, sizeof(float) * a->w);
        for (long y = 0; y < a->h; y++) EACH_VECTOR(x, a->w, {
            floats v[PATCH + 1];
            for (int t = 0; t < PATCH; t++) v[t] = load(frame, (y + t / 3) * PADDED + x + t % 3, lanes, 0);
            v[PATCH] = load((float[LANES]){1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}, 0, lanes, 0);
            for (int s = 0; s <= PATCH; s++)
                for (int t = s; t <= PATCH; t++) product[s][t] = product[s][t] + v[s] * v[t];
        })
        for (int s = 0; s <= PATCH; s++)
            for (int t = s; t <= PATCH; t++)
                for (int l = 0; l < LANES; l++) sums[s * (PATCH + 1) + t] += product[s][t][l];
    }
}

INLINE void adam(const struct job *a, long begin, long end, int thread, int bf16) {
    (void)thread;
    const char *gradient = (const char *)a->gradient + (bf16 ? 2 : 4) * begin;
    EACH_VECTOR(i, end - begin, {
        floats w = load(a->master + begin, i, lanes, 0), m = load(a->first + begin, i, lanes, 0);
        floats v = load(a->second + begin, i, lanes, 0), root;
        floats g = load(gradient, i, lanes, bf16) + a->l2 * w;
        m = m + (1 - a->beta1) * (g - m), v = a->beta2 * v + (1 - a->beta2) * (g * g);
        for (int l = 0; l < LANES; l++) root[l] = sqrtf(v[l]);
        w = a->weight_scale * w - a->step_size * m / (root * a->variance_correction + a->epsilon);
        store(a->master + begin, i, w, lanes, 0);
        store(a->first + begin, i, m, lanes, 0), store(a->second + begin, i, v, lanes, 0);
        if (a->copy) store((uint16_t *)a->copy + begin, i, w, lanes, 1);
    })
}

/* Arguments are constants, so that the compiler specialises each call. In one function for all kernels that would
 * take it three times as long, and 1.3 GB. */
#define KERNEL(name, function, ...)                                                                    \
    static __attribute__((noinline)) void name(const struct job *a, long begin, long end, int thread) { \
        if (a->bf16) function(a, begin, end, thread, 1, ##__VA_ARGS__);                                \
        else function(a, begin, end, thread, 0, ##__VA_ARGS__);                                        \
    }
KERNEL(run_forward, windows, FORWARD, 0)
KERNEL(run_forward_affine, windows, FORWARD, 1)
KERNEL(run_backward, windows, BACKWARD, 0)
KERNEL(run_backward_affine, windows, BACKWARD, 1)
KERNEL(run_sums, windows, SUMS, 0)
KERNEL(run_moments, moments)
KERNEL(run_convolve, convolve, CONVOLVE)
KERNEL(run_gradient, convolve, GRADIENT)
KERNEL(run_patches, patches)
KERNEL(run_adam, adam)

static void (*const KERNELS[][2])(const struct job *, long, long, int) = { /* the second: with a scale and a shift */
    [FORWARD] = {run_forward, run_forward_affine},
    [BACKWARD] = {run_backward, run_backward_affine},
    [SUMS] = {run_sums},
    [MOMENTS] = {run_moments},
    [CONVOLVE] = {run_convolve},
    [GRADIENT] = {run_gradient},
    [PATCHES] = {run_patches},
    [ADAM] = {run_adam},
};

void tenfold_run(const struct job *a) {
#pragma omp parallel num_threads(a->threads)
    {
        long t = omp_get_thread_num(), k = omp_get_num_threads();
        KERNELS[a->what][a->scale != 0](a, a->n * t / k, a->n * (t + 1) / k, (int)t);
    }
}
