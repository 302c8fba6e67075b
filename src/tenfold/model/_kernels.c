/* Training kernels for channels-last activations: one pass over memory each.
 *
 * x[n][h][w][c] is a convolution's output, y[n][ceil(h/2)][ceil(w/2)][c] what is left after
 * z = x*scale[c] + shift[c] (optional), ReLU and 2x2 SAME pooling; both bfloat16 or both float32, arithmetic
 * in float32. One code byte an output is kept for the way back: bits 0-1 the window pixel that is largest (the
 * first one, or a NaN), bits 2-5 which window pixels pass the ReLU.
 *
 * Memory traffic in bytes per element of x (b = 2 or 4 a value; y is a quarter of x):
 *   FORWARD    reads b, writes b/4 + 1/4               stock: ReLU 2b, max 5b/4, average 5b/4, their mean 3b/4
 *   BACKWARD   reads b/4 + 1/4, writes b               stock: about 6b; with batch norm it also reads b
 *   MOMENTS    reads b (batch norm's sums of x, x^2)   SUMS reads b + b/4 + 1/4 (its sums of dz, dz*x)
 *   CONVOLVE   first layer, 3x3 over one channel: x is never stored; reads 4 an input pixel, writes b/4 + 1/4
 *   GRADIENT   of its filters and bias: reads b/4 + 1/4 and the pixels
 *   ADAM       per weight: reads 12 + gradient, writes 12 + copy; stock with casts to and fro: 44
 *
 * No torch headers and no libgomp of its own: omp_* and GOMP_* resolve to the OpenMP runtime that torch has
 * loaded, so that both use the same threads. Every instruction set gives the same bits. */
#ifndef ISA /* once; what follows the #else at the end is read once an instruction set */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

extern int omp_get_thread_num(void), omp_get_num_threads(void), omp_get_max_threads(void);

#define INLINE static inline __attribute__((always_inline))
#define MAX_CHANNELS 1024
#define MAX_SIDE 32
#define PADDED (MAX_SIDE + 4)
#define PATCH 9
enum { FORWARD, BACKWARD, SUMS, MOMENTS, CONVOLVE, GRADIENT, PATCHES, ADAM };

struct job {
    int what, bf16;
    long n, h, w, c, rows;               /* n images, or weights for Adam; rows of sums a thread */
    const void *x, *dy, *gradient;
    void *y, *dx, *copy;
    uint8_t *code;
    /* FORWARD z = x*scale + shift, BACKWARD dx = dz*scale + x*shift + offset; MOMENTS and SUMS take x - offset. */
    const float *scale, *shift, *offset;
    const float *filters, *bias;         /* [9][c], [c] */
    double *sums;                        /* [threads][rows][c] */
    float most, share;                   /* of the maximum and the average */
    float *master, *first, *second, keep, step, beta1, beta2, unbias, epsilon, l2;
};

/* Sixteen lanes, which the compiler splits where registers are shorter; fewer are loaded at the end of a row. */
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

#define JOIN(name, isa) name##_##isa
#define NAMED(name, isa) JOIN(name, isa)
#define NAME(name) NAMED(name, ISA)
#define ISA generic
#include "_kernels.c"
#undef ISA
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define X86
#pragma GCC push_options
#pragma GCC target("avx2")
#define ISA avx2
#include "_kernels.c"
#undef ISA
#pragma GCC pop_options
#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512vl,avx512dq,prefer-vector-width=512")
#define ISA avx512
#include "_kernels.c"
#undef ISA
#pragma GCC pop_options
static void (*const work[])(const struct job *, long, long, int) = {work_generic, work_avx2, work_avx512};
#else
static void (*const work[])(const struct job *, long, long, int) = {work_generic};
#endif

/* 0 generic, 1 AVX2, 2 AVX-512: the best that this processor has. */
int tenfold_variant(void) {
#ifdef X86
    int avx512 = __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
                 __builtin_cpu_supports("avx512dq");
    return avx512 ? 2 : __builtin_cpu_supports("avx2") ? 1 : 0;
#else
    return 0;
#endif
}

/* Linkers of extension modules ask for it; this one is loaded, never imported. */
void *PyInit__kernels(void) { return NULL; }

static void run(int variant, int what, struct job *a) {
    a->what = what;
#pragma omp parallel if (what != ADAM || a->n > 16384)
    {
        long t = omp_get_thread_num(), k = omp_get_num_threads();
        work[variant](a, a->n * t / k, a->n * (t + 1) / k, (int)t);
    }
}

/* Run what sums up, and add every thread's [rows][c] into the first's; the caller frees it. */
static int reduce(int variant, int what, struct job *a, long rows) {
    const int threads = omp_get_max_threads();
    a->rows = rows;
    if (!(a->sums = calloc(threads * rows * a->c, sizeof(double)))) return 1;
    run(variant, what, a);
    for (long t = 1; t < threads; t++)
        for (long i = 0; i < rows * a->c; i++) a->sums[i] += a->sums[t * rows * a->c + i];
    return 0;
}

/* The entry points return 0, or 1 without memory. `scratch` is float[3c]. */
#define SHAPE int variant, int bf16, long n, long h, long w, long c, float most, float share
#define JOB .bf16 = bf16, .n = n, .h = h, .w = w, .c = c, .most = most, .share = share

int tenfold_relu_pool(SHAPE, const void *x, const float *scale, const float *shift, void *y, uint8_t *code) {
    struct job a = {JOB, .x = x, .scale = scale, .shift = shift, .y = y, .code = code};
    return run(variant, FORWARD, &a), 0;
}

int tenfold_relu_pool_backward(SHAPE, const void *dy, const uint8_t *code, void *dx) {
    struct job a = {JOB, .dy = dy, .code = (uint8_t *)code, .dx = dx};
    return run(variant, BACKWARD, &a), 0;
}

/* Batch norm over n*h*w, ReLU, pooling. Writes the mean and the biased variance. */
int tenfold_norm_relu_pool(SHAPE, const void *x, const float *weight, const float *bias, float *mean, float *variance,
                           float *scratch, void *y, uint8_t *code, float epsilon) {
    float *scale = scratch, *shift = scratch + c;
    struct job a = {JOB, .x = x, .y = y, .code = code, .scale = scale, .shift = shift, .offset = scale};
    const double count = (double)n * h * w;
    /* A variance that is small beside the mean is lost in squares of x, not in those of x less its first pixel. */
    for (long i = 0; i < c; i++) scale[i] = count > 0 ? load_generic(x, i, 1, bf16)[0] : 0;
    if (reduce(variant, MOMENTS, &a, 2)) return 1;
    for (long i = 0; i < c; i++) {
        double m = a.sums[i] / count, v = fmax(a.sums[c + i] / count - m * m, 0);
        m += scale[i];
        mean[i] = (float)m, variance[i] = (float)v;
        scale[i] = (float)(weight[i] / sqrt(v + epsilon));
        shift[i] = (float)(bias[i] - m * scale[i]);
    }
    free(a.sums);
    return run(variant, FORWARD, &a), 0;
}

/* With d = sum(dz * xhat): dx = weight/std * (dz - sum(dz)/count - xhat * d/count). */
int tenfold_norm_relu_pool_backward(SHAPE, const void *dy, const uint8_t *code, const void *x, const float *weight,
                                    const float *mean, const float *variance, float *scratch, void *dx, float *dweight,
                                    float *dbias, float epsilon) {
    float *scale = scratch, *shift = scratch + c, *offset = scratch + 2 * c;
    struct job a = {JOB, .dy = dy, .code = (uint8_t *)code, .x = x, .dx = dx, .scale = scale, .shift = shift,
                    .offset = mean};
    if (reduce(variant, SUMS, &a, 2)) return 1;
    const double count = (double)n * h * w;
    for (long i = 0; i < c; i++) {
        double over = 1 / sqrt((double)variance[i] + epsilon), s = a.sums[i], g = weight[i] * over;
        double d = a.sums[c + i] * over;
        dbias[i] = (float)s, dweight[i] = (float)d;
        scale[i] = (float)g;
        shift[i] = (float)(-g * over * d / count);
        offset[i] = (float)(g * (mean[i] * over * d - s) / count);
    }
    free(a.sums), a.offset = offset;
    return run(variant, BACKWARD, &a), 0;
}

/* 3x3 SAME convolution of one channel x float[n][h][w], ReLU, pooling; filters float[9][c]. */
int tenfold_convolve_relu_pool(SHAPE, const float *x, const float *filters, const float *bias, void *y, uint8_t *code) {
    struct job a = {JOB, .x = x, .filters = filters, .bias = bias, .y = y, .code = code};
    return run(variant, CONVOLVE, &a), 0;
}

/* Gradients of its filters and bias: float[10][c], the bias last. */
int tenfold_convolve_relu_pool_backward(SHAPE, const float *x, const void *dy, const uint8_t *code, float *gradient) {
    struct job a = {JOB, .x = x, .dy = dy, .code = (uint8_t *)code};
    if (reduce(variant, GRADIENT, &a, PATCH + 1)) return 1;
    for (long i = 0; i < (PATCH + 1) * c; i++) gradient[i] = (float)a.sums[i];
    return free(a.sums), 0;
}

/* Sums over all 3x3 patches p (with a 1 appended) of p p^T: double[10][10], its upper triangle; c is 10. */
int tenfold_patch_moments(SHAPE, const float *x, double *moments) {
    struct job a = {JOB, .x = x};
    if (reduce(variant, PATCHES, &a, PATCH + 1)) return 1;
    memcpy(moments, a.sums, sizeof(double) * (PATCH + 1) * (PATCH + 1));
    return free(a.sums), 0;
}

/* Adam (Kingma & Ba 2015), l2 coupled, decay decoupled; `bf16` is the gradient, and the copy if any. */
void tenfold_adam(int variant, int bf16, long n, long step, float rate, float beta1, float beta2, float epsilon, float l2,
                  float decay, float *master, float *first, float *second, const void *gradient, void *copy) {
    struct job a = {.bf16 = bf16, .n = n, .master = master, .first = first, .second = second, .gradient = gradient,
                    .copy = copy, .keep = 1 - rate * decay, .step = (float)(rate / (1 - pow(beta1, (double)step))),
                    .beta1 = beta1, .beta2 = beta2, .unbias = (float)(1 / sqrt(1 - pow(beta2, (double)step))),
                    .epsilon = epsilon, .l2 = l2};
    run(variant, ADAM, &a);
}

#else /* once an instruction set */

INLINE floats NAME(load)(const void *p, long i, long lanes, int bf16) {
    floats v = {0};
    halves half = {0};
    if (bf16) return memcpy(&half, (const uint16_t *)p + i, 2 * lanes), (floats)(__builtin_convertvector(half, words) << 16);
    return memcpy(&v, (const float *)p + i, 4 * lanes), v;
}

INLINE void NAME(store)(void *p, long i, floats f, long lanes, int bf16) {
    if (!bf16) { memcpy((float *)p + i, &f, 4 * lanes); return; }
    words u = (words)f, nan = (words)(f != f);
    u = u + 0x7fff + ((u >> 16) & 1); /* to nearest, ties to even */
    halves v = __builtin_convertvector(((u & ~nan) | (0x7fc00000 & nan)) >> 16, halves);
    memcpy((uint16_t *)p + i, &v, 2 * lanes);
}

INLINE void NAME(add)(double *sums, floats v, long lanes) {
    for (long l = 0; l < lanes; l++) sums[l] += v[l];
}

/* The pixels of window (i, j) as steps from its first, in row-major order; returns how many there are. */
INLINE int NAME(taps)(const struct job *a, long i, long j, long row, long column, long *at) {
    int down = 2 * i + 1 < a->h, right = 2 * j + 1 < a->w;
    at[0] = 0, at[1] = right ? column : row, at[2] = row, at[3] = row + column;
    return (1 + down) * (1 + right);
}

INLINE void NAME(pool)(const struct job *a, const floats *z, void *y, uint8_t *code, long lanes, int taps, int bf16) {
    const float most = a->most, share = a->share / taps;
    floats best = {0}, total = {0};
    ints bits = {0};
    UNROLL for (int k = 0; k < taps; k++) {
        ints alive = ~(ints)(z[k] <= 0);
        floats r = (floats)(alive & (ints)z[k]);
        ints take = k == 0 ? (ints){0} - 1 : (ints)(r > best) | (ints)(r != r);
        best = (floats)((take & (ints)r) | (~take & (ints)best));
        bits = (take & ((bits & ~3) | k)) | (~take & bits);
        bits |= alive & (4 << k);
        total = total + r;
    }
    NAME(store)(y, 0, most == 0 ? share * total : share == 0 ? most * best : most * best + share * total, lanes, bf16);
    bytes packed = __builtin_convertvector(__builtin_convertvector(bits, halves), bytes);
    memcpy(code, &packed, lanes);
}

INLINE ints NAME(bits)(const uint8_t *code, long lanes) {
    bytes packed = {0};
    memcpy(&packed, code, lanes);
    return __builtin_convertvector(__builtin_convertvector(packed, halves), ints); /* in one step it is scalar code */
}

/* dz of window pixel k. */
INLINE floats NAME(spread)(const struct job *a, floats dy, ints bits, int k, int taps) {
    ints largest = (bits & 3) == k, alive = (bits & (4 << k)) != 0;
    if (a->share == 0) alive &= largest; /* an infinite dy times no share would be NaN */
    floats kept = a->share / taps + (floats)(largest & (ints)((floats){0} + a->most));
    return (floats)(alive & (ints)(dy * kept));
}

/* One window of activations, all channels: `o` is its output's place, `p` its first pixel's. */
INLINE void NAME(window)(const struct job *a, long o, long p, const long *at, float *sums, int what, int taps, int bf16,
                         int affine) {
    const long size = bf16 ? 2 : 4;
    EACH_VECTOR(c, a->c, {
        floats z[4], g = {0}, total = {0}, product = {0};
        ints bits = {0};
        if (what != FORWARD) g = NAME(load)(a->dy, o + c, lanes, bf16), bits = NAME(bits)(a->code + o + c, lanes);
        UNROLL for (int k = 0; k < taps; k++) {
            if (what != BACKWARD || affine) z[k] = NAME(load)(a->x, p + at[k] + c, lanes, bf16);
            if (what == FORWARD && affine)
                z[k] = z[k] * NAME(load)(a->scale, c, lanes, 0) + NAME(load)(a->shift, c, lanes, 0);
            if (what == FORWARD) continue;
            if (what == SUMS) z[k] = z[k] - NAME(load)(a->offset, c, lanes, 0);
            floats dz = NAME(spread)(a, g, bits, k, taps);
            total = total + dz, product = product + dz * z[k];
            if (what == SUMS) continue;
            if (affine)
                dz = dz * NAME(load)(a->scale, c, lanes, 0) + z[k] * NAME(load)(a->shift, c, lanes, 0) +
                     NAME(load)(a->offset, c, lanes, 0);
            NAME(store)(a->dx, p + at[k] + c, dz, lanes, bf16);
        }
        if (what == FORWARD) NAME(pool)(a, z, (char *)a->y + (o + c) * size, a->code + o + c, lanes, taps, bf16);
        if (what == SUMS) {
            NAME(store)(sums, c, NAME(load)(sums, c, lanes, 0) + total, lanes, 0);
            NAME(store)(sums, a->c + c, NAME(load)(sums, a->c + c, lanes, 0) + product, lanes, 0);
        }
    })
}

INLINE void NAME(windows)(const struct job *a, long begin, long end, int thread, int what, int bf16, int affine) {
    const long oh = (a->h + 1) / 2, ow = (a->w + 1) / 2;
    float sums[2 * MAX_CHANNELS]; /* of one image: float32 is enough for so few, double adds the images up */
    for (long n = begin; n < end; n++) {
        if (what == SUMS) memset(sums, 0, sizeof(float) * 2 * a->c);
        for (long i = 0; i < oh; i++)
            for (long j = 0; j < ow; j++) {
                long at[4], o = ((n * oh + i) * ow + j) * a->c, p = ((n * a->h + 2 * i) * a->w + 2 * j) * a->c;
                int taps = NAME(taps)(a, i, j, a->w * a->c, a->c, at);
                if (taps == 4) NAME(window)(a, o, p, at, sums, what, 4, bf16, affine);
                else NAME(window)(a, o, p, at, sums, what, taps, bf16, affine); /* at odd edges */
            }
        for (long c = 0; what == SUMS && c < 2 * a->c; c++) a->sums[2 * thread * a->c + c] += sums[c];
    }
}

INLINE void NAME(moments)(const struct job *a, long begin, long end, int thread, int bf16) {
    for (long n = begin; n < end; n++) EACH_VECTOR(c, a->c, {
        floats total = {0}, squares = {0}, offset = NAME(load)(a->offset, c, lanes, 0);
        for (long p = n * a->h * a->w; p < (n + 1) * a->h * a->w; p++) {
            floats v = NAME(load)(a->x, p * a->c + c, lanes, bf16) - offset;
            total = total + v, squares = squares + v * v;
        }
        NAME(add)(a->sums + 2 * thread * a->c + c, total, lanes);
        NAME(add)(a->sums + (2 * thread + 1) * a->c + c, squares, lanes);
    })
}

/* The first layer, image by image, with its pixels in a frame of zeros; filters stay in registers. */
INLINE void NAME(convolve)(const struct job *a, long begin, long end, int thread, int what, int bf16) {
    const long oh = (a->h + 1) / 2, ow = (a->w + 1) / 2, size = bf16 ? 2 : 4;
    float frame[PADDED * PADDED] = {0};
    double *sums = a->sums + thread * a->rows * a->c;
    for (long n = begin; n < end; n++) {
        for (long y = 0; y < a->h; y++)
            memcpy(frame + (y + 1) * PADDED + 1, (const float *)a->x + (n * a->h + y) * a->w, sizeof(float) * a->w);
        EACH_VECTOR(c, a->c, {
            floats f[PATCH + 1] = {0};
            for (int t = 0; t < PATCH && what == CONVOLVE; t++) f[t] = NAME(load)(a->filters, t * a->c + c, lanes, 0);
            if (what == CONVOLVE) f[PATCH] = NAME(load)(a->bias, c, lanes, 0);
            for (long i = 0; i < oh; i++)
                for (long j = 0; j < ow; j++) {
                    long at[4], o = ((n * oh + i) * ow + j) * a->c + c;
                    const int taps = NAME(taps)(a, i, j, PADDED, 1, at);
                    const float *p = frame + 2 * i * PADDED + 2 * j;
                    floats z[4], g = {0};
                    ints bits = {0};
                    if (what == GRADIENT) g = NAME(load)(a->dy, o, lanes, bf16), bits = NAME(bits)(a->code + o, lanes);
                    for (int k = 0; k < taps; k++) {
                        z[k] = what == CONVOLVE ? f[PATCH] : NAME(spread)(a, g, bits, k, taps);
                        UNROLL for (int t = 0; t < PATCH; t++) {
                            float pixel = p[at[k] + t / 3 * PADDED + t % 3];
                            if (what == CONVOLVE) z[k] = z[k] + f[t] * pixel;
                            else f[t] = f[t] + z[k] * pixel;
                        }
                        if (what == GRADIENT) f[PATCH] = f[PATCH] + z[k];
                    }
                    if (what == CONVOLVE) NAME(pool)(a, z, (char *)a->y + o * size, a->code + o, lanes, taps, bf16);
                }
            for (int t = 0; t <= PATCH && what == GRADIENT; t++) NAME(add)(sums + t * a->c + c, f[t], lanes);
        })
    }
}

/* Rows of 3x3 patches: sums of products of every two of their pixels, and of each with 1. */
INLINE void NAME(patches)(const struct job *a, long begin, long end, int thread) {
    float frame[PADDED * PADDED + LANES] = {0};
    double *sums = a->sums + thread * (PATCH + 1) * (PATCH + 1);
    for (long n = begin; n < end; n++) {
        floats product[PATCH + 1][PATCH + 1] = {0};
        for (long y = 0; y < a->h; y++)
            memcpy(frame + (y + 1) * PADDED + 1, (const float *)a->x + (n * a->h + y) * a->w, sizeof(float) * a->w);
        for (long y = 0; y < a->h; y++) EACH_VECTOR(x, a->w, {
            floats v[PATCH + 1];
            for (int t = 0; t < PATCH; t++) v[t] = NAME(load)(frame, (y + t / 3) * PADDED + x + t % 3, lanes, 0);
            v[PATCH] = NAME(load)((float[LANES]){1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}, 0, lanes, 0);
            for (int s = 0; s <= PATCH; s++)
                for (int t = s; t <= PATCH; t++) product[s][t] = product[s][t] + v[s] * v[t];
        })
        for (int s = 0; s <= PATCH; s++)
            for (int t = s; t <= PATCH; t++)
                for (int l = 0; l < LANES; l++) sums[s * (PATCH + 1) + t] += product[s][t][l];
    }
}

INLINE void NAME(adam)(const struct job *a, long begin, long end, int bf16) {
    const char *gradient = (const char *)a->gradient + (bf16 ? 2 : 4) * begin;
    EACH_VECTOR(i, end - begin, {
        floats w = NAME(load)(a->master + begin, i, lanes, 0), m = NAME(load)(a->first + begin, i, lanes, 0);
        floats v = NAME(load)(a->second + begin, i, lanes, 0), root;
        floats g = NAME(load)(gradient, i, lanes, bf16) + a->l2 * w;
        m = m + (1 - a->beta1) * (g - m), v = a->beta2 * v + (1 - a->beta2) * (g * g);
        for (int l = 0; l < LANES; l++) root[l] = sqrtf(v[l]);
        w = a->keep * w - a->step * m / (root * a->unbias + a->epsilon);
        NAME(store)(a->master + begin, i, w, lanes, 0);
        NAME(store)(a->first + begin, i, m, lanes, 0), NAME(store)(a->second + begin, i, v, lanes, 0);
        if (a->copy) NAME(store)((uint16_t *)a->copy + begin, i, w, lanes, 1);
    })
}

/* Constants go in, so that each call is compiled for its case. */
static void NAME(work)(const struct job *a, long i, long j, int t) {
#define CASES(what, call1, call0) case what: if (a->bf16) call1; else call0; break
    switch (a->what) {
        CASES(SUMS, NAME(windows)(a, i, j, t, SUMS, 1, 0), NAME(windows)(a, i, j, t, SUMS, 0, 0));
        CASES(MOMENTS, NAME(moments)(a, i, j, t, 1), NAME(moments)(a, i, j, t, 0));
        CASES(CONVOLVE, NAME(convolve)(a, i, j, t, CONVOLVE, 1), NAME(convolve)(a, i, j, t, CONVOLVE, 0));
        CASES(GRADIENT, NAME(convolve)(a, i, j, t, GRADIENT, 1), NAME(convolve)(a, i, j, t, GRADIENT, 0));
        CASES(ADAM, NAME(adam)(a, i, j, 1), NAME(adam)(a, i, j, 0));
    case PATCHES: NAME(patches)(a, i, j, t); break;
    default: /* FORWARD, BACKWARD */
        if (a->what == FORWARD && a->scale) { if (a->bf16) NAME(windows)(a, i, j, t, FORWARD, 1, 1); else NAME(windows)(a, i, j, t, FORWARD, 0, 1); }
        else if (a->what == FORWARD) { if (a->bf16) NAME(windows)(a, i, j, t, FORWARD, 1, 0); else NAME(windows)(a, i, j, t, FORWARD, 0, 0); }
        else if (a->scale) { if (a->bf16) NAME(windows)(a, i, j, t, BACKWARD, 1, 1); else NAME(windows)(a, i, j, t, BACKWARD, 0, 1); }
        else { if (a->bf16) NAME(windows)(a, i, j, t, BACKWARD, 1, 0); else NAME(windows)(a, i, j, t, BACKWARD, 0, 0); }
    }
#undef CASES
}
#endif
