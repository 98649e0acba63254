"""MediaPipe's own Python package on request, for `handstream bench latency --vs mediapipe`.

Arguments: a file of raw RGB pictures, their width, height and number, the most hands. Pictures are read in
place, so that nothing but MediaPipe's own work is timed. Each line of the input is `start` for a fresh tracker
or a picture's number; the answer to a number is `NANOSECONDS HANDS`.
"""
import sys
import time


def main():
    path, width, height, count, most = sys.argv[1], *map(int, sys.argv[2:6])
    try:
        import mediapipe
        import numpy

        tracker = mediapipe.solutions.hands.Hands
    except ImportError as error:
        print(f"missing {error}", flush=True)
        return
    except AttributeError:
        print("missing the legacy solutions in this version of mediapipe", flush=True)
        return
    pictures = numpy.memmap(path, dtype=numpy.uint8, mode="r", shape=(count, height, width, 3))
    print(f"ready {mediapipe.__version__}", flush=True)
    hands = None
    for line in sys.stdin:
        if line.strip() == "start":
            if hands is not None:
                hands.close()
            hands = tracker(
                static_image_mode=False,
                max_num_hands=most,
                model_complexity=1,
                min_detection_confidence=0.5,
                min_tracking_confidence=0.5,
            )
            print("started", flush=True)
            continue
        picture = pictures[int(line)]
        begin = time.perf_counter_ns()
        result = hands.process(picture)
        took = time.perf_counter_ns() - begin
        print(took, len(result.multi_hand_landmarks or []), flush=True)


main()
