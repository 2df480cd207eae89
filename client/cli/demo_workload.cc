#include "client/cli/demo_workload.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "client/cli/explain.h"
#include "client/cli/jpeg.h"
#include "client/cli/json.h"
#include "client/cpp/durations.h"

namespace gild::cli {
namespace {

// Light on purpose: what a task costs beside the wait is the lock's time.
constexpr char kFetch[] = R"(import http.client


def fetch(url):
    scheme, _, host, *path = url.split("/", 3)
    kind = http.client.HTTPSConnection if scheme == "https:" else http.client.HTTPConnection
    connection = kind(host, timeout=20)
    connection.request("GET", "/" + "".join(path))
    answer = connection.getresponse()
    length = len(answer.read())
    connection.close()
    return answer.status, length


def warm_up(url):
    import time
    fetch(url)
    time.sleep(0.05)
)";

constexpr char kResize[] = R"(import io

from PIL import Image


def resize(data):
    image = Image.open(io.BytesIO(data)).convert("RGB").resize((128, 128), Image.LANCZOS)
    out = io.BytesIO()
    image.save(out, "JPEG", quality=85)
    return out.getvalue()


def warm_up(data):
    import time
    resize(data)
    time.sleep(0.05)
)";

constexpr char kPicture[] = R"(import io
import random

from PIL import Image, ImageDraw, ImageFilter

SIZE = (640, 480)


def picture(seed):
    dice = random.Random(seed)

    def color():
        return tuple(dice.randrange(256) for _ in range(3))

    fade = Image.linear_gradient("L").rotate(dice.choice((0, 90, 180, 270))).resize(SIZE)
    image = Image.composite(Image.new("RGB", SIZE, color()), Image.new("RGB", SIZE, color()), fade)
    draw = ImageDraw.Draw(image)
    for _ in range(30):
        x, y, w, h = dice.randrange(640), dice.randrange(480), dice.randrange(20, 200), dice.randrange(20, 200)
        shape = dice.choice((draw.ellipse, draw.rectangle))
        shape((x - w, y - h, x + w, y + h), fill=color())
    image = image.filter(ImageFilter.GaussianBlur(dice.uniform(0.5, 3)))
    grain = Image.frombytes("RGB", SIZE, dice.randbytes(640 * 480 * 3)).filter(ImageFilter.GaussianBlur(0.8))
    image = Image.blend(image, grain, dice.uniform(0.12, 0.30))
    out = io.BytesIO()
    image.save(out, "JPEG", quality=88)
    return out.getvalue()
)";

constexpr char kPrimes[] = R"(def count(part, parts, limit):
    found = 0
    for candidate in range(3 + 2 * part, limit + 1, 2 * parts):
        divisor = 3
        while divisor * divisor <= candidate:
            if candidate % divisor == 0:
                break
            divisor += 2
        else:
            found += 1
    return found


def warm_up():
    import time
    count(0, 1, 1000)
    time.sleep(0.05)
)";

// The midpoint rule. A block fits a core's cache; NumPy works on one without the lock.
constexpr char kIntegrate[] = R"(import numpy

POINTS = 100000


def integrate(part, parts, blocks):
    width = numpy.pi / parts / blocks
    step = width / POINTS
    offsets = (numpy.arange(POINTS) + 0.5) * step
    values = numpy.empty(POINTS)
    total = 0.0
    for block in range(blocks):
        numpy.add(offsets, numpy.pi * part / parts + block * width, out=values)
        numpy.sin(values, out=values)
        total += float(values.sum()) * step
    return total


def warm_up():
    import time
    integrate(0, 1, 1)
    time.sleep(0.05)
)";

constexpr int kPrimeParts = 8;
constexpr int kArrayParts = 8;
constexpr absl::Duration kWallLimit = absl::Minutes(10);  // for the slowest machine; the figures do not depend on it

v1::Task Call(const char* code, const char* entry) {
  v1::Task task;
  task.set_name(entry);
  task.mutable_source()->set_code(code);
  task.mutable_source()->set_entry(entry);
  *task.mutable_limits()->mutable_wall() = ToProto(kWallLimit);
  *task.mutable_limits()->mutable_queue() = ToProto(kWallLimit);
  return task;
}

v1::Task CallWithText(const char* code, const char* entry, const std::string& text) {
  v1::Task task = Call(code, entry);
  JsonWriter json;
  json.String(text);
  task.mutable_source()->add_arguments()->set_json(json.text());
  return task;
}

v1::Task CallWithBytes(const char* code, const char* entry, const std::string& bytes) {
  v1::Task task = Call(code, entry);
  task.mutable_source()->add_arguments()->set_raw(bytes);
  return task;
}

// Part `index` of `parts` of a workload of this size.
v1::Task CallPart(const char* code, const char* entry, size_t index, int64_t parts, int64_t size) {
  v1::Task task = Call(code, entry);
  for (const int64_t argument : {static_cast<int64_t>(index), parts, size}) {
    task.mutable_source()->add_arguments()->set_json(absl::StrCat(argument));
  }
  return task;
}

std::string CheckPages(const std::vector<v1::Outcome>& outcomes) {
  const std::string expected = absl::StrCat("[200,", SlowHttp::kBodyBytes, "]");
  for (const v1::Outcome& outcome : outcomes) {
    std::string answer = outcome.result().json();
    answer.erase(std::remove(answer.begin(), answer.end(), ' '), answer.end());
    if (answer != expected) return absl::StrCat("a page came back as ", OneLine(answer), ", not as ", expected);
  }
  return "";
}

std::string CheckPictures(const std::vector<v1::Outcome>& outcomes, JpegSize expected) {
  for (size_t i = 0; i < outcomes.size(); ++i) {
    if (ReadJpegSize(outcomes[i].result().raw()) == expected) continue;
    return absl::StrCat("picture ", i, " did not come back as a JPEG of ", expected.width, "x", expected.height);
  }
  return "";
}

}  // namespace

Workload UrlsWorkload(std::vector<std::string> urls, std::shared_ptr<SlowHttp> server) {
  Workload workload;
  workload.id = "urls";
  workload.title = absl::StrCat("download ", urls.size(), " URLs");
  workload.subject = "waiting for the network";
  workload.waits = true;
  workload.tasks = urls.size();
  const auto list = std::make_shared<const std::vector<std::string>>(std::move(urls));
  workload.task = [list](size_t index) { return CallWithText(kFetch, "fetch", (*list)[index]); };
  workload.warm_up = [list] { return CallWithText(kFetch, "warm_up", list->front()); };
  // Somebody else's pages may answer what they like.
  workload.check = [server](const std::vector<v1::Outcome>& outcomes) {
    return server == nullptr ? std::string() : CheckPages(outcomes);
  };
  return workload;
}

Workload ImagesWorkload(std::shared_ptr<const std::vector<std::string>> pictures, size_t tasks) {
  Workload workload;
  workload.id = "images";
  workload.title = absl::StrCat("resize ", tasks, " images");
  workload.subject = "resizing images";
  workload.tasks = tasks;
  workload.task = [pictures](size_t index) {
    return CallWithBytes(kResize, "resize", (*pictures)[index % pictures->size()]);
  };
  workload.warm_up = [pictures] { return CallWithBytes(kResize, "warm_up", pictures->front()); };
  workload.check = [](const std::vector<v1::Outcome>& outcomes) { return CheckPictures(outcomes, {128, 128}); };
  return workload;
}

Workload PicturesWorkload(size_t pictures) {
  Workload workload;
  workload.id = "pictures";
  workload.title = absl::StrCat("draw ", pictures, " pictures");
  workload.subject = "drawing";
  workload.tasks = pictures;
  workload.task = [](size_t index) {
    v1::Task task = Call(kPicture, "picture");
    task.mutable_source()->add_arguments()->set_json(absl::StrCat(index));
    return task;
  };
  workload.warm_up = [task = workload.task] { return task(0); };
  workload.check = [](const std::vector<v1::Outcome>& outcomes) { return CheckPictures(outcomes, {640, 480}); };
  return workload;
}

Workload PrimesWorkload(int64_t limit) {
  Workload workload;
  workload.id = "primes";
  workload.title = absl::StrCat("count primes / ", kPrimeParts);
  workload.subject = "pure Python";
  workload.anywhere = true;
  workload.tasks = kPrimeParts;
  workload.task = [limit](size_t index) { return CallPart(kPrimes, "count", index, kPrimeParts, limit); };
  workload.warm_up = [] { return Call(kPrimes, "warm_up"); };
  workload.check = [limit](const std::vector<v1::Outcome>& outcomes) {
    int64_t found = 1;  // 2, the even one
    for (const v1::Outcome& outcome : outcomes) {
      int64_t part = 0;
      if (!absl::SimpleAtoi(outcome.result().json(), &part)) {
        return absl::StrCat("a part counted ", OneLine(outcome.result().json()), ", which is no number");
      }
      found += part;
    }
    const int64_t known = CountPrimes(limit);
    return found == known ? std::string()
                          : absl::StrCat(found, " primes up to ", limit, " were counted; there are ", known);
  };
  return workload;
}

Workload ArraysWorkload(int64_t blocks) {
  Workload workload;
  workload.id = "arrays";
  workload.title = absl::StrCat("NumPy, sin / ", kArrayParts);
  workload.subject = "NumPy off the lock";
  workload.anywhere = true;
  workload.tasks = kArrayParts;
  workload.task = [blocks](size_t index) { return CallPart(kIntegrate, "integrate", index, kArrayParts, blocks); };
  workload.warm_up = [] { return Call(kIntegrate, "warm_up"); };
  workload.check = [](const std::vector<v1::Outcome>& outcomes) {
    double integral = 0;
    for (const v1::Outcome& outcome : outcomes) {
      double part = 0;
      if (!absl::SimpleAtod(outcome.result().json(), &part)) {
        return absl::StrCat("a part came to ", OneLine(outcome.result().json()), ", which is no number");
      }
      integral += part;
    }
    // The midpoint rule is off by less than (pi / points)^2.
    return std::abs(integral - 2) < 1e-8
               ? std::string()
               : absl::StrCat("the integral of sin over [0, pi] came to ", integral, ", not 2");
  };
  return workload;
}

int64_t CountPrimes(int64_t limit) {
  if (limit < 2) return 0;
  std::vector<bool> composite(static_cast<size_t>(limit) + 1);
  int64_t found = 0;
  for (int64_t n = 2; n <= limit; ++n) {
    if (composite[n]) continue;
    ++found;
    for (int64_t multiple = n * n; multiple <= limit; multiple += n) composite[multiple] = true;
  }
  return found;
}

}  // namespace gild::cli
