/* Training kernels for channels-last activations: one pass over memory each.
 *
 * x[n][h][w][c] is a convolution's output, y[n][ceil(h/2)][ceil(w/2)][c] what is left after
 * z = x*scale[c] + shift[c] (optional), ReLU and 2x2 SAME pooling; both bfloat16 or both float32,
 * arithmetic in float32. One code byte an output is kept for the way back: bits 0-1 the window
 * pixel that is largest (the first one, or a NaN), bits 2-5 which window pixels pass the ReLU.
 *
 * Memory traffic, in bytes per element of x (b = 2 or 4 bytes a value, y is a quarter of x):
 *   forward   reads b,               writes b/4 + 1/4     stock: ReLU 2b, max 5b/4, average 5b/4, mix 3b/4
 *   backward  reads b/4 + 1/4,       writes b             stock: about 6b
 *   moments   reads b                                     (batch norm: sum and sum of squares)
 *   sums      reads b + b/4 + 1/4                         (batch norm: gradient sums)
 *   backward with batch norm reads b more.
 *   adam      reads 12 + gradient, writes 12 + copy bytes a weight; stock with casts: 40 + 4
 *
 * No torch headers, no libgomp of its own: GOMP_* and omp_* resolve to the OpenMP runtime that
 * torch has loaded, so that both use the same threads. Every variant gives the same bits.
 */
#ifndef ISA /* the whole file; the part after the last #else is read once an instruction set */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

extern int omp_get_thread_num(void);
extern int omp_get_num_threads(void);
extern int omp_get_max_threads(void);

#define INLINE static inline __attribute__((always_inline))
#define MAX_CHANNELS 1024

struct job {
    const void *x, *dy;
    void *y, *dx;
    uint8_t *code;
    const float *scale, *shift, *offset; /* forward: z = x*scale + shift; backward: dx = dz*scale + x*shift + offset */
    double *partial;                     /* [threads][2][c] */
    long n, h, w, c;
    float max_share, average_share;
    int bf16;
    /* Adam */
    float *master, *first, *second;
    const void *gradient;
    void *copy;
    float rate, beta1, beta2, epsilon, step_size, unbias, l2, decay;
};

/* Sixteen lanes, which the compiler splits where registers are shorter; `lanes` < 16 at the end. */
typedef float floats __attribute__((vector_size(64)));
typedef int32_t ints __attribute__((vector_size(64)));
typedef uint32_t words __attribute__((vector_size(64)));
typedef uint16_t halves __attribute__((vector_size(32)));
typedef uint8_t bytes __attribute__((vector_size(16)));
#define LANES 16

/* Whole vectors first, then what is left of the channels. */
#define EACH_VECTOR(c, count, ...)                                                         \
    {                                                                                        \
        long c = 0;                                                                          \
        for (const long lanes = LANES; c + LANES <= (count); c += LANES) __VA_ARGS__              \
        if (c < (count)) { const long lanes = (count) - c; __VA_ARGS__ }                            \
    }

enum { FORWARD, BACKWARD, SUMS };
typedef void worker(const struct job *, long, long, int);

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
#endif

#define ROW(isa) {forward_##isa, backward_##isa, sums_##isa, moments_##isa, adam_##isa}
enum { DO_FORWARD, DO_BACKWARD, DO_SUMS, DO_MOMENTS, DO_ADAM };
static worker *const table[][5] = {
    ROW(generic),
#ifdef X86
    ROW(avx2),
    ROW(avx512),
#endif
};

/* 0 generic, 1 AVX2, 2 AVX-512: the best that this processor has. */
int tenfold_variant(void) {
#ifdef X86
    if (__builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq")) return 2;
    if (__builtin_cpu_supports("avx2")) return 1;
#endif
    return 0;
}

static void run(int variant, int what, const struct job *a, long n) {
#pragma omp parallel if (what != DO_ADAM || n > 16384)
    {
        long t = omp_get_thread_num(), k = omp_get_num_threads();
        table[variant][what](a, n * t / k, n * (t + 1) / k, (int)t);
    }
}

/* Run a worker that sums, and add its threads' [2][c] into the first. */
static void reduce(int variant, int what, struct job *a) {
    int threads = omp_get_max_threads();
    memset(a->partial, 0, sizeof(double) * 2 * a->c * threads);
    run(variant, what, a, a->n);
    for (int t = 1; t < threads; t++)
        for (long c = 0; c < 2 * a->c; c++) a->partial[c] += a->partial[2 * t * a->c + c];
}

void tenfold_relu_pool(int variant, int bf16, const void *x, const float *scale, const float *shift,
                       void *y, uint8_t *code, long n, long h, long w, long c, float most, float share) {
    struct job a = {.x = x, .y = y, .code = code, .scale = scale, .shift = shift, .n = n, .h = h,
                    .w = w, .c = c, .max_share = most, .average_share = share, .bf16 = bf16};
    run(variant, DO_FORWARD, &a, n);
}

void tenfold_relu_pool_backward(int variant, int bf16, const void *dy, const uint8_t *code, void *dx,
                                long n, long h, long w, long c, float most, float share) {
    struct job a = {.dy = dy, .code = (uint8_t *)code, .dx = dx, .n = n, .h = h, .w = w, .c = c,
                    .max_share = most, .average_share = share, .bf16 = bf16};
    run(variant, DO_BACKWARD, &a, n);
}

/* Batch norm over n*h*w, then ReLU and pooling. Writes mean, biased variance; scratch is float[2c]. */
int tenfold_norm_relu_pool(int variant, int bf16, const void *x, const float *weight, const float *bias,
                           float *mean, float *variance, float *scratch, void *y, uint8_t *code, long n,
                           long h, long w, long c, float epsilon, float most, float share) {
    float *scale = scratch, *shift = scratch + c;
    struct job a = {.x = x, .y = y, .code = code, .scale = scale, .shift = shift, .n = n, .h = h,
                    .w = w, .c = c, .max_share = most, .average_share = share, .bf16 = bf16};
    a.partial = malloc(sizeof(double) * 2 * c * omp_get_max_threads());
    if (!a.partial) return 1;
    reduce(variant, DO_MOMENTS, &a);
    const double count = (double)n * h * w;
    for (long i = 0; i < c; i++) {
        double m = a.partial[i] / count, v = a.partial[c + i] / count - m * m;
        v = v < 0 ? 0 : v;
        mean[i] = (float)m, variance[i] = (float)v;
        scale[i] = (float)(weight[i] / sqrt(v + epsilon));
        shift[i] = (float)(bias[i] - m * scale[i]);
    }
    free(a.partial);
    run(variant, DO_FORWARD, &a, n);
    return 0;
}

/* With d = sum(dz * xhat): dx = weight/std * (dz - sum(dz)/count - xhat * d/count). */
int tenfold_norm_relu_pool_backward(int variant, int bf16, const void *dy, const uint8_t *code, const void *x,
                                    const float *weight, const float *mean, const float *variance,
                                    float *scratch, void *dx, float *dweight, float *dbias, long n, long h,
                                    long w, long c, float epsilon, float most, float share) {
    float *scale = scratch, *shift = scratch + c, *offset = scratch + 2 * c;
    struct job a = {.dy = dy, .code = (uint8_t *)code, .x = x, .dx = dx, .scale = scale, .shift = shift,
                    .offset = offset, .n = n, .h = h, .w = w, .c = c, .max_share = most,
                    .average_share = share, .bf16 = bf16};
    a.partial = malloc(sizeof(double) * 2 * c * omp_get_max_threads());
    if (!a.partial) return 1;
    reduce(variant, DO_SUMS, &a);
    const double count = (double)n * h * w;
    for (long i = 0; i < c; i++) {
        double over = 1 / sqrt((double)variance[i] + epsilon), s = a.partial[i];
        double d = (a.partial[c + i] - mean[i] * s) * over, g = weight[i] * over;
        dbias[i] = (float)s, dweight[i] = (float)d;
        scale[i] = (float)g;
        shift[i] = (float)(-g * over * d / count);
        offset[i] = (float)(g * (mean[i] * over * d - s) / count);
    }
    free(a.partial);
    run(variant, DO_BACKWARD, &a, n);
    return 0;
}

/* Adam (Kingma & Ba 2015), L2 coupled, weight decay decoupled; `copy` is bfloat16 with the gradient. */
void tenfold_adam(int variant, int bf16, float *master, float *first, float *second, const void *gradient,
                  void *copy, long n, long step, float rate, float beta1, float beta2, float epsilon,
                  float l2, float decay) {
    struct job a = {.master = master, .first = first, .second = second, .gradient = gradient, .copy = copy,
                    .rate = rate, .beta1 = beta1, .beta2 = beta2, .epsilon = epsilon, .l2 = l2,
                    .decay = decay, .bf16 = bf16};
    a.step_size = (float)(rate / (1 - pow(beta1, (double)step)));
    a.unbias = (float)(1 / sqrt(1 - pow(beta2, (double)step)));
    run(variant, DO_ADAM, &a, n);
}

#else /* once an instruction set */

INLINE floats NAME(load)(const void *p, long i, long lanes, int bf16) {
    if (!bf16) {
        floats v = {0};
        memcpy(&v, (const float *)p + i, 4 * lanes);
        return v;
    }
    halves v = {0};
    memcpy(&v, (const uint16_t *)p + i, 2 * lanes);
    return (floats)(__builtin_convertvector(v, words) << 16);
}

INLINE floats NAME(choose)(ints mask, floats yes, floats no) {
    return (floats)((mask & (ints)yes) | (~mask & (ints)no));
}

INLINE void NAME(store)(void *p, long i, floats f, long lanes, int bf16) {
    if (!bf16) {
        memcpy((float *)p + i, &f, 4 * lanes);
        return;
    }
    words u = (words)f, even = u + 0x7fff + ((u >> 16) & 1); /* to nearest, ties to even */
    words nan = (words)(f != f);
    halves v = __builtin_convertvector(((even & ~nan) | (0x7fc00000 & nan)) >> 16, halves);
    memcpy((uint16_t *)p + i, &v, 2 * lanes);
}

INLINE ints NAME(load_code)(const uint8_t *code, long lanes) {
    bytes v = {0};
    memcpy(&v, code, lanes);
    return __builtin_convertvector(v, ints);
}

/* The pixels of window (i, j) of one image: their offsets in row-major order, and how many. */
INLINE int NAME(window)(const struct job *a, long i, long j, long *at) {
    long row = 2 * i * a->w, down = 2 * i + 1 < a->h ? a->w : 0, right = 2 * j + 1 < a->w, k = 0;
    at[k++] = (row + 2 * j) * a->c;
    if (right) at[k++] = (row + 2 * j + 1) * a->c;
    if (down) at[k++] = (row + down + 2 * j) * a->c;
    if (right && down) at[k++] = (row + down + 2 * j + 1) * a->c;
    return (int)k;
}

INLINE void NAME(pool_window)(const struct job *a, const void *x, const long *at, void *y, uint8_t *code,
                        const int taps, const int bf16, const int affine) {
    const float most = a->max_share, share = a->average_share / taps;
    EACH_VECTOR(c, a->c, {
        floats best = {0}, total = {0};
        ints bits = {0}, first = {0};
        for (int k = 0; k < taps; k++) {
            floats z = NAME(load)(x, at[k] + c, lanes, bf16);
            if (affine) z = z * NAME(load)(a->scale, c, lanes, 0) + NAME(load)(a->shift, c, lanes, 0);
            ints alive = ~(ints)(z <= 0);
            floats r = (floats)(alive & (ints)z);
            ints take = k == 0 ? (ints){0} - 1 : (ints)(r > best) | (ints)(r != r);
            best = NAME(choose)(take, r, best);
            first = (take & k) | (~take & first);
            total = total + r;
            bits |= alive & (4 << k);
        }
        floats pooled = most == 0 ? share * total : share == 0 ? most * best : most * best + share * total;
        NAME(store)(y, c, pooled, lanes, bf16);
        bytes packed = __builtin_convertvector(bits | first, bytes);
        memcpy(code + c, &packed, lanes);
    })
}

INLINE floats NAME(spread)(floats dy, ints code, int k, float most, float share) {
    ints largest = (code & 3) == k, alive = ((code >> (2 + k)) & 1) == 1;
    floats kept = share + (floats)(largest & (ints)((floats){0} + most));
    return (floats)(alive & (ints)(dy * kept));
}

INLINE void NAME(unpool_window)(const struct job *a, const void *x, const long *at, const void *dy,
                          const uint8_t *code, void *dx, const int taps, const int bf16, const int affine) {
    const float most = a->max_share, share = a->average_share / taps;
    EACH_VECTOR(c, a->c, {
        floats g = NAME(load)(dy, c, lanes, bf16);
        ints packed = NAME(load_code)(code + c, lanes);
        for (int k = 0; k < taps; k++) {
            floats dz = NAME(spread)(g, packed, k, most, share);
            if (affine)
                dz = dz * NAME(load)(a->scale, c, lanes, 0) +
                     NAME(load)(x, at[k] + c, lanes, bf16) * NAME(load)(a->shift, c, lanes, 0) +
                     NAME(load)(a->offset, c, lanes, 0);
            NAME(store)(dx, at[k] + c, dz, lanes, bf16);
        }
    })
}

INLINE void NAME(sum_window)(const struct job *a, const void *x, const long *at, const void *dy,
                       const uint8_t *code, float *s, float *sx, const int taps, const int bf16) {
    const float most = a->max_share, share = a->average_share / taps;
    EACH_VECTOR(c, a->c, {
        floats g = NAME(load)(dy, c, lanes, bf16), total = NAME(load)(s, c, lanes, 0), product = NAME(load)(sx, c, lanes, 0);
        ints packed = NAME(load_code)(code + c, lanes);
        for (int k = 0; k < taps; k++) {
            floats dz = NAME(spread)(g, packed, k, most, share);
            total = total + dz;
            product = product + dz * NAME(load)(x, at[k] + c, lanes, bf16);
        }
        NAME(store)(s, c, total, lanes, 0);
        NAME(store)(sx, c, product, lanes, 0);
    })
}

/* Images begin … end-1, window by window; sums go from float to double after every image. */
INLINE void NAME(windows)(const struct job *a, long begin, long end, int thread, const int what,
                    const int bf16, const int affine) {
    const long oh = (a->h + 1) / 2, ow = (a->w + 1) / 2, size = bf16 ? 2 : 4;
    float s[MAX_CHANNELS], sx[MAX_CHANNELS];
    for (long n = begin; n < end; n++) {
        const char *x = (const char *)a->x + n * a->h * a->w * a->c * size;
        char *dx = (char *)a->dx + n * a->h * a->w * a->c * size;
        if (what == SUMS) { memset(s, 0, sizeof s); memset(sx, 0, sizeof sx); }
        for (long i = 0; i < oh; i++)
            for (long j = 0; j < ow; j++) {
                long at[4], o = ((n * oh + i) * ow + j) * a->c;
                int taps = NAME(window)(a, i, j, at);
                char *y = (char *)a->y + o * size;
                const char *dy = (const char *)a->dy + o * size;
#define TAPS(t)                                                                            \
    if (what == FORWARD) NAME(pool_window)(a, x, at, y, a->code + o, t, bf16, affine);           \
    else if (what == BACKWARD) NAME(unpool_window)(a, x, at, dy, a->code + o, dx, t, bf16, affine); \
    else NAME(sum_window)(a, x, at, dy, a->code + o, s, sx, t, bf16)
                if (taps == 4) { TAPS(4); }
                else if (taps == 2) { TAPS(2); }
                else { TAPS(1); }
            }
        if (what == SUMS)
            for (long c = 0; c < a->c; c++) {
                a->partial[(2 * thread) * a->c + c] += s[c];
                a->partial[(2 * thread + 1) * a->c + c] += sx[c];
            }
    }
}

INLINE void NAME(add_moments)(const struct job *a, long begin, long end, int thread, const int bf16) {
    float s[MAX_CHANNELS], ss[MAX_CHANNELS];
    for (long n = begin; n < end; n++) {
        const char *x = (const char *)a->x + n * a->h * a->w * a->c * (bf16 ? 2 : 4);
        EACH_VECTOR(c, a->c, {
            floats total = {0}, squares = {0};
            for (long p = 0; p < a->h * a->w; p++) {
                floats v = NAME(load)(x, p * a->c + c, lanes, bf16);
                total = total + v;
                squares = squares + v * v;
            }
            NAME(store)(s, c, total, lanes, 0);
            NAME(store)(ss, c, squares, lanes, 0);
        })
        for (long c = 0; c < a->c; c++) {
            a->partial[(2 * thread) * a->c + c] += s[c];
            a->partial[(2 * thread + 1) * a->c + c] += ss[c];
        }
    }
}

INLINE void NAME(adam_range)(const struct job *a, long begin, long end, const int bf16) {
    const float keep = 1 - a->rate * a->decay, b1 = a->beta1, b2 = a->beta2;
    const float *w = a->master + begin, *m = a->first + begin, *v = a->second + begin;
    const char *gradient = (const char *)a->gradient + (bf16 ? 2 : 4) * begin;
    EACH_VECTOR(i, end - begin, {
        floats wi = NAME(load)(w, i, lanes, 0), mi = NAME(load)(m, i, lanes, 0), vi = NAME(load)(v, i, lanes, 0), root;
        floats g = NAME(load)(gradient, i, lanes, bf16) + a->l2 * wi;
        mi = mi + (1 - b1) * (g - mi);
        vi = b2 * vi + (1 - b2) * (g * g);
        for (int l = 0; l < LANES; l++) root[l] = sqrtf(vi[l]);
        wi = keep * wi - a->step_size * mi / (root * a->unbias + a->epsilon);
        NAME(store)(a->master + begin, i, wi, lanes, 0);
        NAME(store)(a->first + begin, i, mi, lanes, 0);
        NAME(store)(a->second + begin, i, vi, lanes, 0);
        if (bf16) NAME(store)((uint16_t *)a->copy + begin, i, wi, lanes, 1);
    })
}

static void NAME(forward)(const struct job *a, long i, long j, int t) {
    if (a->bf16 && a->scale) NAME(windows)(a, i, j, t, FORWARD, 1, 1);
    else if (a->bf16) NAME(windows)(a, i, j, t, FORWARD, 1, 0);
    else NAME(windows)(a, i, j, t, FORWARD, 0, a->scale != 0);
}

static void NAME(backward)(const struct job *a, long i, long j, int t) {
    if (a->bf16 && a->scale) NAME(windows)(a, i, j, t, BACKWARD, 1, 1);
    else if (a->bf16) NAME(windows)(a, i, j, t, BACKWARD, 1, 0);
    else NAME(windows)(a, i, j, t, BACKWARD, 0, a->scale != 0);
}

static void NAME(sums)(const struct job *a, long i, long j, int t) {
    if (a->bf16) NAME(windows)(a, i, j, t, SUMS, 1, 0);
    else NAME(windows)(a, i, j, t, SUMS, 0, 0);
}

static void NAME(moments)(const struct job *a, long i, long j, int t) {
    if (a->bf16) NAME(add_moments)(a, i, j, t, 1);
    else NAME(add_moments)(a, i, j, t, 0);
}

static void NAME(adam)(const struct job *a, long i, long j, int t) {
    (void)t;
    if (a->bf16) NAME(adam_range)(a, i, j, 1);
    else NAME(adam_range)(a, i, j, 0);
}

#endif
