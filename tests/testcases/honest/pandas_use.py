# What people do with pandas, where it is installed.
import io

import numpy as np
import pandas as pd

sales = pd.read_csv(io.StringIO("day,shop,sold\n2026-01-01,a,3\n2026-01-01,b,5\n2026-01-02,a,4\n2026-01-02,b,\n"), parse_dates=["day"])
assert sales["sold"].isna().sum() == 1
by_shop = sales.fillna({"sold": 0}).groupby("shop")["sold"].agg(["sum", "mean"])
assert by_shop.loc["a", "sum"] == 7 and by_shop.loc["b", "mean"] == 2.5
wide = sales.pivot(index="day", columns="shop", values="sold")
assert wide.shape == (2, 2)
assert sales.merge(pd.DataFrame({"shop": ["a"], "town": ["Ulm"]}), on="shop", how="left")["town"].notna().sum() == 2
walk = pd.Series(np.random.default_rng(1).normal(size=1000).cumsum(), index=pd.date_range("2026-01-01", periods=1000, freq="h"))
assert len(walk.resample("D").mean()) == 42
assert walk.rolling(24).mean().notna().sum() == 977
sales.to_csv("sales.csv", index=False)
sales.to_pickle("sales.pkl")
assert pd.read_pickle("sales.pkl").equals(sales)
assert pd.read_csv("sales.csv", parse_dates=["day"]).equals(sales)
print("done")
